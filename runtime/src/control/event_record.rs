//! One event as the stream shows it: a stable name, a sentence, and its details as plain JSON.

use std::time::SystemTime;

use pool_manager_core::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::correlation::Names;
use super::status::{VerdictStatus, seconds};
use super::words::{self, brief};
use crate::driver::Happening;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// `<epoch>-<number>`: what `Last-Event-ID` resumes behind.
    pub id: String,
    /// Wall time, RFC 3339 in UTC.
    pub time: String,
    /// The registry's version after it.
    pub version: u64,
    /// The pool it is about; `None`: the host.
    pub pool: Option<String>,
    /// The engine it is about.
    pub incarnation: Option<String>,
    /// The command that led to it: the caller's own words, or 32 hexadecimal digits.
    pub correlation_id: Option<String>,
    /// A stable name: `phase_changed`, `drain_ended` …
    pub kind: String,
    /// In words.
    pub text: String,
    /// What belongs to this kind.
    pub details: Map<String, Value>,
}

impl EventRecord {
    /// `wall` is now, for people.
    pub(super) fn of(happening: &Happening, names: &Names, wall: SystemTime) -> Self {
        let Happening { number, epoch, version, pool, event } = happening;
        let (kind, text, details) = describe(happening);
        Self {
            id: format!("{epoch}-{number}"),
            time: humantime::format_rfc3339_millis(wall).to_string(),
            version: *version,
            pool: pool.clone(),
            incarnation: event.incarnation.map(|incarnation| incarnation.to_string()),
            correlation_id: event.correlation.map(|correlation| names.shown(correlation.0)),
            kind: kind.to_owned(),
            text,
            details: if let Value::Object(details) = details { details } else { Map::new() },
        }
    }
}

/// Name, sentence and details of an event.
fn describe(happening: &Happening) -> (&'static str, String, Value) {
    let at = happening.event.at;
    let span = |span: &std::time::Duration| brief(seconds(*span));
    match &happening.event.kind {
        EventKind::BreakerReset => (
            "breaker_reset",
            "an operator closed both circuits and forgot the failures".to_owned(),
            json!({}),
        ),
        EventKind::CandidateFailed { verdict } => (
            "candidate_failed",
            format!("the new model did not become ready: {}", verdict.class),
            json!({"verdict": VerdictStatus::from(verdict.as_ref())}),
        ),
        EventKind::CircuitChanged { circuit, from, to, failures, open_for } => {
            let how_long = open_for.map(|open_for| format!(" for {}", span(&open_for))).unwrap_or_default();
            let (name, words) = (circuit.label(), words::circuit_state(*to));
            (
                "circuit_changed",
                format!("circuit {name} {words}{how_long}"),
                json!({"circuit": circuit, "from": from, "to": to, "failures": failures, "open_seconds": open_for.map(seconds)}),
            )
        }
        EventKind::Committed { from, to } => (
            "committed",
            format!("the reload is done: {} serves in the place of {}", to.model, from.model),
            json!({"from": from, "to": to}),
        ),
        EventKind::Crashed { verdict, uptime, crashes_total } => (
            "crashed",
            format!("the engine failed after {}: {}", span(uptime), verdict.class),
            json!({"verdict": VerdictStatus::from(verdict.as_ref()), "uptime_seconds": seconds(*uptime), "crashes_total": crashes_total}),
        ),
        EventKind::Deregistered => ("deregistered", "the pool was forgotten".to_owned(), json!({})),
        EventKind::DrainEnded { outcome, took, cut, lost } => (
            "drain_ended",
            format!("the drain ended after {}: {}", span(took), outcome.label()),
            json!({"outcome": outcome.label(), "took_seconds": seconds(*took), "cut": words::lease_ids(cut), "lost": words::lease_ids(lost)}),
        ),
        EventKind::DrainStarted { in_flight, deadline } => {
            let patience = deadline.left(at);
            (
                "drain_started",
                format!(
                    "a drain began: {} in flight, {} at most",
                    words::count(*in_flight, "lease"),
                    span(&patience)
                ),
                json!({"in_flight": in_flight, "deadline_in_seconds": seconds(patience)}),
            )
        }
        EventKind::EngineCleared => (
            "engine_cleared",
            "the suspected CUDA error was not confirmed; the engine serves again".to_owned(),
            json!({}),
        ),
        EventKind::EngineDoomed { xid } => {
            let number = xid.map(|xid| format!(" (Xid {xid})")).unwrap_or_default();
            (
                "engine_doomed",
                format!("a CUDA error is confirmed{number}: the engine is taken out of service and ended"),
                json!({"xid": xid}),
            )
        }
        EventKind::EngineEnded { status, stopped_for } => {
            let why = stopped_for.map(|cause| format!(" (stopped because {})", words::stop_cause(cause)));
            (
                "engine_ended",
                format!("{}{}", words::exit(*status), why.unwrap_or_default()),
                json!({"status": status, "stopped_for": stopped_for}),
            )
        }
        EventKind::EngineReady { took } => (
            "engine_ready",
            format!("the engine became ready after {}", span(took)),
            json!({"took_seconds": seconds(*took)}),
        ),
        EventKind::EngineSpawned { pid } => {
            ("engine_spawned", format!("the engine was started as process {pid}"), json!({"pid": pid}))
        }
        EventKind::EngineStuck => ("engine_stuck", "the engine outlived KILL".to_owned(), json!({})),
        EventKind::EngineSuspect { offset } => (
            "engine_suspect",
            "the engine logged a CUDA error: it takes no new work until that is confirmed or not".to_owned(),
            json!({"log_offset": offset}),
        ),
        EventKind::FileFailed { file, error } => (
            "file_failed",
            format!("a file could not be written or removed: {file:?}, {error:?}"),
            json!({"file": file, "error": error}),
        ),
        EventKind::LeaseEnded { lease, how } => (
            "lease_ended",
            format!("lease {lease} did not complete: {}", how.label()),
            json!({"lease": lease.to_string(), "how": how}),
        ),
        EventKind::ModelStaged { took } => (
            "model_staged",
            format!("the model is present and verified after {}", span(took)),
            json!({"took_seconds": seconds(*took)}),
        ),
        EventKind::OperationEnded { operation, kind, outcome, took } => (
            "operation_ended",
            format!("operation {operation}: {}", words::outcome(*kind, outcome)),
            json!({"operation": operation, "operation_kind": kind, "outcome": outcome.label(), "took_seconds": seconds(*took)}),
        ),
        EventKind::OperationStarted { operation, kind } => (
            "operation_started",
            format!("operation {operation} began: {}", kind.label()),
            json!({"operation": operation, "operation_kind": kind}),
        ),
        EventKind::PhaseChanged { from, to } => {
            ("phase_changed", format!("{} → {}", from.label(), to.label()), json!({"from": from, "to": to}))
        }
        EventKind::PortStranger { port, pid } => {
            let who = pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
            (
                "port_stranger",
                format!("{who}, which is not ours, listens on port {port}"),
                json!({"port": port, "pid": pid}),
            )
        }
        EventKind::ProbeFailed { answer, misses, counted } => (
            "probe_failed",
            format!("a health probe failed ({} in a row): {}", misses, words::probe_answer(*answer)),
            json!({"misses": misses, "counted": counted}),
        ),
        EventKind::Registered => ("registered", "the pool is known".to_owned(), json!({})),
        EventKind::RestartAllowed => (
            "restart_allowed",
            "an operator lets the next restart pass backoff, window and circuits".to_owned(),
            json!({}),
        ),
        EventKind::RestartHeldBack { restarts, window, until } => (
            "restart_held_back",
            format!(
                "the next restart waits {}: {} within {}",
                span(&until.left(at)),
                words::count(*restarts, "restart"),
                span(window)
            ),
            json!({"restarts": restarts, "window_seconds": seconds(*window), "in_seconds": seconds(until.left(at))}),
        ),
        EventKind::RestartPrevented { class, circuit, until } => (
            "restart_prevented",
            format!(
                "no restart after {class}: circuit {} is open for {} more",
                circuit.label(),
                span(&until.left(at))
            ),
            json!({"reason": class.label(), "circuit": circuit, "in_seconds": seconds(until.left(at))}),
        ),
        EventKind::RestartScheduled { at: when, delay, base, failures, reason } => (
            "restart_scheduled",
            format!("a restart comes in {} after {reason}", span(&when.left(at))),
            json!({"in_seconds": seconds(when.left(at)), "backoff_ms": delay.as_millis() as u64, "base_ms": base.as_millis() as u64, "failures": failures, "reason": reason.label()}),
        ),
        EventKind::RestartsFrequent { restarts, window } => (
            "restarts_frequent",
            format!("{} within {}", words::count(*restarts, "restart"), span(window)),
            json!({"restarts": restarts, "window_seconds": seconds(*window)}),
        ),
        EventKind::Resumed { adopted, ended } => (
            "resumed",
            format!(
                "the supervisor is back: {} run on, {ended} ended meanwhile",
                words::count(*adopted, "engine")
            ),
            json!({"adopted": adopted, "ended": ended}),
        ),
        EventKind::ShutdownStarted { forced } => {
            let how = if *forced { "is forced to end" } else { "is going down" };
            ("shutdown_started", format!("the supervisor {how}"), json!({"forced": forced}))
        }
        EventKind::Signalled { signal } => {
            ("signalled", format!("the engine was signalled: {signal:?}"), json!({"signal": signal}))
        }
        EventKind::StormBegan { storm, count, within, storms_total } => (
            "storm_began",
            format!("{} within {}", words::storm(*storm, *count), span(within)),
            json!({"storm": storm.label(), "count": count, "window_seconds": seconds(*within), "storms_total": storms_total}),
        ),
        EventKind::StaleInput => ("stale_input", "news of an older engine was dropped".to_owned(), json!({})),
    }
}
