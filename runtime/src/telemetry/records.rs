//! One event of the core → one log record: level, message, and the fields every record carries where they
//! apply (pool_id, engine, engine_version, device_mask, model_id, incarnation, restart_count, backoff_ms,
//! last_error, correlation_id), then those of the event itself.

use std::fmt;
use std::time::Duration;

use pool_manager_core::{
    CircuitState, CrashClass, DrainOutcome, Event, EventKind, Evidence, ExitStatus, FileError, FileKind,
    Incarnation, LeaseEnding, LeaseId, Memory, Outcome, PoolView, ProbeAnswer, Signal, Time, Verdict,
    signal_name,
};

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever debugs the supervisor itself.
    Debug,
    /// The normal course of things.
    Info,
    /// Work may be lost, or something is not as it should be.
    Warn,
    /// Somebody has to look: the highest there is.
    Error,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// Several texts.
    List(Vec<String>),
    /// A number that may be negative.
    Int(i64),
    /// Text.
    Text(String),
    /// A count or a span in the unit its name says.
    Uint(u64),
}

impl fmt::Display for Value {
    /// As a person writes it: a list with commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(values) => f.write_str(&values.join(",")),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::Uint(value) => write!(f, "{value}"),
        }
    }
}

/// One log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// How much it matters.
    pub level: Level,
    /// What happened, the same words every time.
    pub message: &'static str,
    /// In a fixed order; a name appears once.
    pub fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// The pool a record is about, as it stands after the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The operator's name for it.
    pub pool_id: String,
    /// The kind of engine.
    pub engine: String,
    /// Its version, where stated.
    pub engine_version: Option<String>,
    /// GPUs it may touch.
    pub device_mask: Vec<String>,
    /// The model.
    pub model_id: String,
    /// The run that exists now.
    pub incarnation: Option<Incarnation>,
    /// Starts after ends nobody asked for.
    pub restart_count: u32,
    /// Wait left before the next start, while one waits.
    pub backoff_ms: Option<u64>,
    /// Why the last engine that nobody stopped ended.
    pub last_error: Option<String>,
}

impl Subject {
    /// What a view says of a pool at `now`.
    #[must_use]
    pub fn of(pool: &PoolView<'_>, now: Time) -> Self {
        let until = pool.gates.and_then(|gates| gates.backoff_until);
        Self {
            pool_id: pool.name.as_str().to_owned(),
            engine: pool.spec.catalog.engine.clone(),
            engine_version: pool.spec.catalog.engine_version.clone(),
            device_mask: pool.spec.device_mask.clone(),
            model_id: pool.spec.catalog.model.clone(),
            incarnation: pool.engine.map(|engine| engine.incarnation),
            restart_count: pool.restart_count,
            backoff_ms: until.map(|until| millis(until.left(now))),
            last_error: pool.last_error.map(|error| error.verdict.class.to_string()),
        }
    }
}

/// Translates an event. `subject`: its pool, if it has one that is still known.
#[must_use]
pub fn record(event: &Event, subject: Option<&Subject>) -> Record {
    let (level, message, own) = translate(event);
    let mut fields = Vec::new();
    if let Some(subject) = subject {
        describe(subject, event, &mut fields);
    }
    if let Some(correlation) = event.correlation {
        let [high, low] = correlation.0;
        fields.push(("correlation_id", Value::Text(format!("{high:016x}{low:016x}"))));
    }
    // What the event says of itself is newer than what the subject says.
    for (name, value) in own {
        fields.retain(|(key, _)| *key != name);
        fields.push((name, value));
    }
    Record { level, message, fields }
}

type Fields = Vec<(&'static str, Value)>;

fn describe(subject: &Subject, event: &Event, fields: &mut Fields) {
    fields.push(("pool_id", Value::Text(subject.pool_id.clone())));
    fields.push(("engine", Value::Text(subject.engine.clone())));
    if let Some(version) = &subject.engine_version {
        fields.push(("engine_version", Value::Text(version.clone())));
    }
    fields.push(("device_mask", Value::Text(subject.device_mask.join(","))));
    fields.push(("model_id", Value::Text(subject.model_id.clone())));
    if let Some(incarnation) = event.incarnation.or(subject.incarnation) {
        fields.push(("incarnation", Value::Text(incarnation.to_string())));
    }
    fields.push(("restart_count", Value::Uint(subject.restart_count.into())));
    if let Some(backoff) = subject.backoff_ms {
        fields.push(("backoff_ms", Value::Uint(backoff)));
    }
    if let Some(error) = &subject.last_error {
        fields.push(("last_error", Value::Text(error.clone())));
    }
}

fn translate(event: &Event) -> (Level, &'static str, Fields) {
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
            fields.extend(open_for.map(|span| ("open_ms", Value::Uint(millis(span)))));
            let level = if *to == CircuitState::Open { Level::Error } else { Level::Warn };
            (level, "circuit changed", fields)
        }
        EventKind::Committed { from, to } => {
            let fields = vec![("from", text(&from.model)), ("to", text(&to.model))];
            (Level::Info, "reload committed", fields)
        }
        EventKind::Crashed { verdict, uptime, crashes_total } => {
            let mut fields = blame(verdict);
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
        EventKind::EngineStuck => (Level::Error, "engine outlived KILL", Vec::new()),
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
                ("window_ms", Value::Uint(millis(*window))),
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
                ("window_ms", Value::Uint(millis(*window))),
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
            let fields = vec![
                ("storm", text(storm.label())),
                ("count", Value::Uint((*count).into())),
                ("window_ms", Value::Uint(millis(*within))),
                ("storms_total", Value::Uint(*storms_total)),
                ("alert", Value::Bool(true)),
            ];
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
        Outcome::Failed { verdict, also: _ } | Outcome::RolledBack { verdict } => {
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
    fields
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

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_manager_core::{Correlation, PoolUid};

    fn subject() -> Subject {
        Subject {
            pool_id: "a".to_owned(),
            engine: "llama-server".to_owned(),
            engine_version: Some("b1".to_owned()),
            device_mask: vec!["0".to_owned(), "1".to_owned()],
            model_id: "m".to_owned(),
            incarnation: Some(Incarnation { epoch: 1, n: 2 }),
            restart_count: 3,
            backoff_ms: Some(7),
            last_error: Some("cuda".to_owned()),
        }
    }

    fn event(kind: EventKind) -> Event {
        let correlation = Some(Correlation([1, 0xab]));
        Event { at: Time::ZERO, pool: Some(PoolUid(1)), incarnation: None, correlation, kind }
    }

    #[test]
    fn a_drain_with_work_in_flight_is_a_warning_with_the_count() {
        let started = |in_flight| event(EventKind::DrainStarted { in_flight, deadline: Time::ZERO });
        let busy = record(&started(5), Some(&subject()));
        assert_eq!(busy.level, Level::Warn);
        assert_eq!(busy.field("in_flight"), Some(&Value::Uint(5)));
        assert_eq!(record(&started(0), Some(&subject())).level, Level::Info);
    }

    #[test]
    fn every_record_says_whose_it_is_and_who_caused_it() {
        let record = record(&event(EventKind::EngineStuck), Some(&subject()));
        assert_eq!(record.field("device_mask"), Some(&text("0,1")));
        assert_eq!(record.field("incarnation"), Some(&text("1.2")));
        assert_eq!(record.field("correlation_id"), Some(&text("000000000000000100000000000000ab")));
    }

    #[test]
    fn a_crash_names_class_exit_and_uptime_and_lost_memory_is_an_error() {
        let crash = |class, status| {
            let verdict = Box::new(Verdict { class, evidence: vec![Evidence::Exit(status)] });
            let uptime = Duration::from_secs(90);
            record(&event(EventKind::Crashed { verdict, uptime, crashes_total: 1 }), Some(&subject()))
        };
        let segv = crash(CrashClass::Signal(11), ExitStatus::Signal(11));
        assert_eq!(segv.level, Level::Warn);
        assert_eq!(segv.field("reason"), Some(&text("signal SIGSEGV")));
        assert_eq!(segv.field("uptime_seconds"), Some(&Value::Uint(90)));
        assert_eq!(crash(CrashClass::Exit(3), ExitStatus::Code(3)).field("exit_code"), Some(&Value::Int(3)));
        let oom = crash(CrashClass::OutOfMemory(Memory::Host), ExitStatus::Signal(9));
        assert_eq!(oom.level, Level::Error);
    }

    #[test]
    fn what_the_event_says_wins_over_the_subject() {
        let kind = EventKind::RestartScheduled {
            at: Time::ZERO,
            delay: Duration::from_millis(1100),
            base: Duration::from_millis(1000),
            failures: 1,
            reason: CrashClass::Exit(1),
        };
        let record = record(&event(kind), Some(&subject()));
        let backoffs: Vec<_> = record.fields.iter().filter(|(name, _)| *name == "backoff_ms").collect();
        assert_eq!(backoffs, [&("backoff_ms", Value::Uint(1100))]);
    }
}
