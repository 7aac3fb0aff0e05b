//! What each event means to a log reader: level, message and the fields of its own. Called by `records`.

use std::time::Duration;

use pool_manager_core::{
    CircuitState, CrashClass, DrainOutcome, Event, EventKind, Evidence, ExitStatus, FileError, FileKind,
    LeaseEnding, LeaseId, Memory, OperationKind, Outcome, ProbeAnswer, Signal, Verdict, signal_name,
};

use crate::telemetry::reasons::{reload_failure, storm_remedy};
use crate::telemetry::records::{Fields, Level, Value};

/// Somebody is to be woken.
const ALERT: (&str, Value) = ("alert", Value::Bool(true));

/// Level, message and own fields of an event.
pub(super) fn translate(event: &Event) -> (Level, &'static str, Fields) {
    match &event.kind {
        EventKind::BreakerReset => (Level::Info, "circuits closed by an operator", Vec::new()),
        EventKind::CandidateFailed { verdict } => {
            (crash_level(verdict.class), "the new model did not become ready", blame(verdict))
        }
        EventKind::CircuitChanged { circuit, from, to, failures, open_for } => {
            let mut fields = vec![
                ("circuit", text(circuit.label())),
                ("from", text(from.label())),
                ("to", text(to.label())),
                ("failures", Value::Uint((*failures).into())),
            ];
            fields.extend(open_for.map(|span| ("open_seconds", Value::Uint(span.as_secs()))));
            (circuit_level(*to), "circuit changed", fields)
        }
        EventKind::Committed { from, to } => {
            let mut fields = vec![("from", text(&from.model)), ("to", text(&to.model))];
            let [from_version, to_version] =
                [from, to].map(|entry| entry.engine_version.as_deref().map(text));
            fields.extend(from_version.map(|version| ("from_version", version)));
            fields.extend(to_version.map(|version| ("to_version", version)));
            (Level::Info, "reload committed", fields)
        }
        EventKind::Crashed { verdict, uptime, crashes_total } => {
            let mut fields = blame(verdict);
            fields.extend(failed_probes(verdict));
            fields.push(("uptime_seconds", Value::Uint(uptime.as_secs())));
            fields.push(("crashes_total", Value::Uint(*crashes_total)));
            (crash_level(verdict.class), "engine crashed", fields)
        }
        EventKind::Deregistered => (Level::Info, "pool deregistered", Vec::new()),
        EventKind::DrainEnded { outcome, took, cut, lost } => {
            let fields = vec![
                ("outcome", text(outcome.label())),
                ("took_ms", Value::Uint(millis(*took))),
                ("cut", leases(cut)),
                ("lost", leases(lost)),
            ];
            (drain_level(*outcome), "drain ended", fields)
        }
        EventKind::DrainStarted { in_flight, deadline } => {
            let level = if *in_flight > 0 { Level::Warn } else { Level::Info };
            let message =
                if *in_flight > 0 { "drain started with leases in flight" } else { "drain started" };
            let fields = vec![
                ("in_flight", Value::Uint((*in_flight).into())),
                ("deadline_in_ms", Value::Uint(millis(deadline.left(event.at)))),
            ];
            (level, message, fields)
        }
        EventKind::EngineCleared => (Level::Info, "suspect engine cleared", Vec::new()),
        EventKind::EngineDoomed { xid } => {
            let fields = xid.map(|xid| ("xid", Value::Uint(xid.into()))).into_iter().collect();
            (Level::Error, "CUDA error confirmed: the engine is taken out of service", fields)
        }
        EventKind::EngineEnded { status, stopped_for } => {
            let mut fields = exit_fields(*status);
            fields.push(("asked", Value::Bool(stopped_for.is_some())));
            (Level::Info, "engine ended", fields)
        }
        EventKind::EngineReady { took } => {
            (Level::Info, "engine ready", vec![("load_ms", Value::Uint(millis(*took)))])
        }
        EventKind::EngineSpawned { pid } => {
            (Level::Info, "engine spawned", vec![("pid", Value::Uint((*pid).into()))])
        }
        EventKind::EngineStuck => (Level::Error, "engine outlived KILL", vec![ALERT]),
        EventKind::EngineSuspect { offset } => {
            (Level::Warn, "the engine logged a CUDA error", vec![("log_offset", Value::Uint(*offset))])
        }
        EventKind::FileFailed { file, error } => {
            let fields = vec![("file", text(file_name(*file))), ("error", text(&file_error(*error)))];
            (Level::Error, "file could not be written or removed", fields)
        }
        EventKind::LeaseEnded { lease, how } => {
            let level = match how {
                LeaseEnding::Cut | LeaseEnding::Lost => Level::Warn,
                LeaseEnding::Completed | LeaseEnding::Expired => Level::Info,
            };
            let fields = vec![("lease", text(&lease.to_string())), ("how", text(how.label()))];
            (level, "lease ended without completing", fields)
        }
        EventKind::ModelStaged { took } => {
            (Level::Info, "model staged", vec![("took_ms", Value::Uint(millis(*took)))])
        }
        EventKind::OperationEnded { operation, kind, outcome, took } => {
            let mut fields = vec![
                ("operation", Value::Uint(operation.0)),
                ("kind", text(kind.label())),
                ("outcome", text(outcome.label())),
                ("took_ms", Value::Uint(millis(*took))),
            ];
            let level = operation_level(outcome, &mut fields);
            if *kind == OperationKind::Reload {
                fields.extend(reload_failure(outcome).map(|word| ("failure", text(word))));
            }
            (level, "operation ended", fields)
        }
        EventKind::OperationStarted { operation, kind } => {
            let fields = vec![("operation", Value::Uint(operation.0)), ("kind", text(kind.label()))];
            (Level::Info, "operation started", fields)
        }
        EventKind::PhaseChanged { from, to } => {
            (Level::Info, "phase changed", vec![("from", text(from.label())), ("to", text(to.label()))])
        }
        EventKind::PortStranger { port, pid } => {
            let mut fields = vec![("port", Value::Uint((*port).into()))];
            fields.extend(pid.map(|pid| ("stranger_pid", Value::Uint(pid.into()))));
            (Level::Error, "a process that is not ours has the port", fields)
        }
        EventKind::ProbeFailed { answer, misses, counted } => {
            let fields = vec![
                ("answer", text(&probe_answer(*answer))),
                ("at", text(&event.at.to_string())),
                ("misses", Value::Uint((*misses).into())),
                ("counted", Value::Bool(*counted)),
            ];
            (Level::Warn, "liveness probe failed", fields)
        }
        EventKind::Registered => (Level::Info, "pool registered", Vec::new()),
        EventKind::RestartAllowed => {
            (Level::Info, "next restart allowed to pass backoff, window and circuits", Vec::new())
        }
        EventKind::RestartHeldBack { restarts, window, until } => {
            let fields = vec![
                ("restarts", Value::Uint((*restarts).into())),
                ("window_seconds", Value::Uint(window.as_secs())),
                ("wait_ms", Value::Uint(millis(until.left(event.at)))),
            ];
            (Level::Warn, "restart rate limited", fields)
        }
        EventKind::RestartPrevented { class, circuit, until } => {
            let fields = vec![
                ("class", text(class.label())),
                ("reason", text(&class.to_string())),
                ("circuit", text(circuit.label())),
                ("wait_ms", Value::Uint(millis(until.left(event.at)))),
            ];
            (Level::Error, "no restart: a circuit is open", fields)
        }
        EventKind::RestartsFrequent { restarts, window } => {
            let fields = vec![
                ("restarts", Value::Uint((*restarts).into())),
                ("window_seconds", Value::Uint(window.as_secs())),
            ];
            (Level::Warn, "restarts are frequent", fields)
        }
        EventKind::RestartScheduled { at, delay, base, failures, reason } => {
            let fields = vec![
                ("backoff_ms", Value::Uint(millis(*delay))),
                ("base_ms", Value::Uint(millis(*base))),
                ("failures", Value::Uint((*failures).into())),
                ("restart_at", text(&at.to_string())),
                ("reason", text(&reason.to_string())),
            ];
            (Level::Warn, "restart scheduled", fields)
        }
        EventKind::Resumed { adopted, ended } => {
            let fields =
                vec![("adopted", Value::Uint((*adopted).into())), ("ended", Value::Uint((*ended).into()))];
            (Level::Info, "supervisor resumed", fields)
        }
        EventKind::ShutdownStarted { forced } => {
            (Level::Info, "shutdown started", vec![("forced", Value::Bool(*forced))])
        }
        EventKind::Signalled { signal: Signal::Graceful } => (Level::Info, "TERM sent", Vec::new()),
        EventKind::Signalled { signal: Signal::KillTree } => (Level::Warn, "KILL sent", Vec::new()),
        EventKind::StormBegan { storm, count, within, storms_total } => {
            let mut fields = vec![
                ("storm", text(storm.label())),
                ("count", Value::Uint((*count).into())),
                ("window_seconds", Value::Uint(within.as_secs())),
                ("storms_total", Value::Uint(*storms_total)),
                ALERT,
            ];
            fields.extend(storm_remedy(*storm).map(|remedy| ("remedy", text(remedy))));
            (Level::Error, "storm began", fields)
        }
        EventKind::StaleInput => (Level::Debug, "stale input dropped", Vec::new()),
    }
}

/// The highest level is for what a restart alone does not cure.
const fn crash_level(class: CrashClass) -> Level {
    match class {
        CrashClass::OutOfMemory(Memory::Gpu | Memory::Host) | CrashClass::Config => Level::Error,
        CrashClass::Asked
        | CrashClass::Clean
        | CrashClass::Cuda(_)
        | CrashClass::Exit(_)
        | CrashClass::HostProblem(_)
        | CrashClass::Signal(_)
        | CrashClass::SpawnFailed(_)
        | CrashClass::StageFailed(_)
        | CrashClass::StartTimeout
        | CrashClass::Unhealthy
        | CrashClass::Unknown => Level::Warn,
    }
}

const fn circuit_level(to: CircuitState) -> Level {
    match to {
        CircuitState::Closed => Level::Info,
        CircuitState::HalfOpen => Level::Warn,
        CircuitState::Open => Level::Error,
    }
}

const fn drain_level(outcome: DrainOutcome) -> Level {
    match outcome {
        DrainOutcome::Completed | DrainOutcome::Superseded | DrainOutcome::Undrained => Level::Info,
        DrainOutcome::EngineExited | DrainOutcome::ForceStopped | DrainOutcome::TimedOut => Level::Warn,
    }
}

fn operation_level(outcome: &Outcome, fields: &mut Fields) -> Level {
    match outcome {
        Outcome::Completed | Outcome::Undrained => Level::Info,
        Outcome::Superseded { by } => {
            fields.push(("by", text(by.label())));
            Level::Info
        }
        Outcome::EngineExited { lost: ids } | Outcome::ForceStopped { cut: ids } => {
            fields.push(("leases", leases(ids)));
            Level::Warn
        }
        Outcome::Failed { verdict, also } => {
            fields.push(("reason", text(&verdict.class.to_string())));
            fields.extend(also.as_ref().map(|also| ("also", text(&also.class.to_string()))));
            Level::Warn
        }
        Outcome::RolledBack { verdict } => {
            fields.push(("reason", text(&verdict.class.to_string())));
            Level::Warn
        }
        Outcome::Interrupted | Outcome::TimedOut => Level::Warn,
        Outcome::Stuck => Level::Error,
    }
}

fn blame(verdict: &Verdict) -> Fields {
    let mut fields =
        vec![("class", text(verdict.class.label())), ("reason", text(&verdict.class.to_string()))];
    let exit = verdict.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Exit(status) => Some(*status),
        Evidence::Log(_)
        | Evidence::OomKill
        | Evidence::OwnSignal(_)
        | Evidence::PortStranger(_)
        | Evidence::ProbeFailed { .. }
        | Evidence::Spawn(_)
        | Evidence::Stage(_)
        | Evidence::Xid(_) => None,
    });
    fields.extend(exit.map(exit_fields).unwrap_or_default());
    fields.extend(verdict.class.remedy().map(|remedy| ("remedy", text(remedy))));
    fields
}

/// When each probe failed that made the engine unhealthy, and how: two lists of the same length.
fn failed_probes(verdict: &Verdict) -> Fields {
    let failed = verdict.evidence.iter().filter_map(|evidence| {
        if let Evidence::ProbeFailed { at, answer } = evidence {
            Some((at.to_string(), probe_answer(*answer)))
        } else {
            None
        }
    });
    let (at, answers): (Vec<String>, Vec<String>) = failed.unzip();
    if at.is_empty() {
        return Vec::new();
    }
    vec![("probes_failed_at", Value::List(at)), ("probe_answers", Value::List(answers))]
}

fn exit_fields(status: ExitStatus) -> Fields {
    match status {
        ExitStatus::Code(code) => vec![("exit_code", Value::Int(code.into()))],
        ExitStatus::Signal(number) => {
            let name = signal_name(number).map_or_else(|| number.to_string(), str::to_owned);
            vec![("exit_signal", Value::Text(name))]
        }
        ExitStatus::Unknown => Vec::new(),
    }
}

const fn file_name(file: FileKind) -> &'static str {
    match file {
        FileKind::Handoff => "handoff",
        FileKind::Pid => "pid",
    }
}

fn file_error(error: FileError) -> String {
    match error {
        FileError::Io(errno) => format!("os error {errno}"),
        FileError::TimedOut => "no answer in time".to_owned(),
    }
}

fn probe_answer(answer: ProbeAnswer) -> String {
    match answer {
        ProbeAnswer::Healthy => "healthy".to_owned(),
        ProbeAnswer::Loading => "loading".to_owned(),
        ProbeAnswer::Refused => "connection refused".to_owned(),
        ProbeAnswer::Stranger => "answered by another process".to_owned(),
        ProbeAnswer::TimedOut => "no answer in time".to_owned(),
        ProbeAnswer::Unhealthy { status: 0 } => "not HTTP".to_owned(),
        ProbeAnswer::Unhealthy { status } => format!("HTTP {status}"),
    }
}

fn leases(ids: &[LeaseId]) -> Value {
    Value::List(ids.iter().map(ToString::to_string).collect())
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
