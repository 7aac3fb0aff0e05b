//! One event of the core → one log record: level, message, and the fields every record carries where they
//! apply (pool_id, engine, engine_version, device_mask, model_id, incarnation, restart_count, backoff_ms,
//! last_error, correlation_id), then those of the event itself (`translate`).

use std::fmt;

use pool_manager_core::{Event, Incarnation, PoolView, Time};

use crate::telemetry::translate::{millis, translate};

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever debugs the supervisor itself.
    Debug,
    /// The normal course of things.
    Info,
    /// Work may be lost, or something is not as it should be.
    Warn,
    /// Somebody has to look: the highest there is. What somebody is to be woken for (a storm, an engine that
    /// outlives KILL) carries `alert=true` besides; `tracing` and most log readers know no higher level.
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

/// Names and values, in a fixed order.
pub(super) type Fields = Vec<(&'static str, Value)>;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use pool_manager_core::{
        CatalogEntry, CircuitKind, CircuitState, Correlation, CrashClass, EventKind, Evidence, ExitStatus,
        Memory, OperationId, OperationKind, Outcome, PoolUid, ProbeAnswer, StageError, StopCause, Storm,
        Verdict,
    };

    use crate::telemetry::translate::text;

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
    fn an_out_of_memory_crash_says_what_to_do() {
        let verdict = Box::new(Verdict { class: CrashClass::OutOfMemory(Memory::Gpu), evidence: Vec::new() });
        let uptime = Duration::from_secs(1);
        let record =
            record(&event(EventKind::Crashed { verdict, uptime, crashes_total: 1 }), Some(&subject()));
        let remedy = record.field("remedy").map(ToString::to_string).unwrap_or_default();
        assert!(remedy.contains("smaller context"), "{record:?}");
        assert_eq!(record.field("engine_version"), Some(&text("b1")));
        assert_eq!(record.field("pool_id"), Some(&text("a")));
    }

    #[test]
    fn a_health_failure_has_the_time_of_each_probe_that_failed() {
        let failed = |seconds, answer| {
            let at = Time::ZERO + Duration::from_secs(seconds);
            [
                record(
                    &Event { at, ..event(EventKind::ProbeFailed { answer, misses: 1, counted: true }) },
                    None,
                )
                .field("at")
                .map(ToString::to_string)
                .unwrap_or_default(),
                at.to_string(),
            ]
        };
        let [shown, expected] = failed(5, ProbeAnswer::Refused);
        assert_eq!(shown, expected);
        let probes = [(5, ProbeAnswer::TimedOut), (10, ProbeAnswer::Refused)].map(|(seconds, answer)| {
            Evidence::ProbeFailed { at: Time::ZERO + Duration::from_secs(seconds), answer }
        });
        let mut evidence = probes.to_vec();
        evidence.push(Evidence::OwnSignal(StopCause::Unhealthy));
        let verdict = Box::new(Verdict { class: CrashClass::Unhealthy, evidence });
        let crash = EventKind::Crashed { verdict, uptime: Duration::ZERO, crashes_total: 1 };
        let crash = record(&event(crash), Some(&subject()));
        assert_eq!(crash.field("class"), Some(&text("unhealthy")));
        let list = |texts: [&str; 2]| Some(Value::List(texts.map(str::to_owned).to_vec()));
        assert_eq!(crash.field("probes_failed_at").cloned(), list(["5.000s", "10.000s"]));
        assert_eq!(crash.field("probe_answers").cloned(), list(["no answer in time", "connection refused"]));
    }

    #[test]
    fn a_circuit_that_changes_names_both_states_and_the_failures() {
        let changed = |to| {
            let from = CircuitState::Closed;
            let open_for = (to == CircuitState::Open).then_some(Duration::from_secs(300));
            let kind =
                EventKind::CircuitChanged { circuit: CircuitKind::Cuda, from, to, failures: 5, open_for };
            record(&event(kind), Some(&subject()))
        };
        let opened = changed(CircuitState::Open);
        assert_eq!(opened.level, Level::Error);
        for (name, expected) in [("from", "closed"), ("to", "open"), ("circuit", "cuda"), ("pool_id", "a")] {
            assert_eq!(opened.field(name), Some(&text(expected)), "{name}");
        }
        assert_eq!(opened.field("failures"), Some(&Value::Uint(5)));
        assert_eq!(opened.field("open_seconds"), Some(&Value::Uint(300)));
        assert_eq!(changed(CircuitState::HalfOpen).level, Level::Warn);
        assert_eq!(changed(CircuitState::Closed).level, Level::Info);
    }

    #[test]
    fn a_storm_is_an_alert_of_the_highest_level_with_pool_and_counts() {
        let began = |storm| {
            let kind =
                EventKind::StormBegan { storm, count: 10, within: Duration::from_secs(30), storms_total: 2 };
            record(&event(kind), Some(&subject()))
        };
        let restarts = began(Storm::Restarts);
        assert_eq!((restarts.level, restarts.field("alert")), (Level::Error, Some(&Value::Bool(true))));
        assert_eq!(restarts.field("storm"), Some(&text("restart_storm")));
        assert_eq!(restarts.field("pool_id"), Some(&text("a")));
        let numbers =
            ["count", "window_seconds", "storms_total", "restart_count"].map(|name| restarts.field(name));
        assert_eq!(numbers, [10, 30, 2, 3].map(Value::Uint).each_ref().map(Some));
        assert_eq!(restarts.field("remedy"), None);
        let memory = began(Storm::OutOfMemory);
        assert_eq!(memory.field("storm"), Some(&text("oom_storm")));
        assert!(memory.field("remedy").is_some());
    }

    #[test]
    fn frequent_and_held_back_restarts_are_warnings_with_count_and_window() {
        let window = Duration::from_secs(60);
        let until = Time::ZERO + Duration::from_secs(9);
        for kind in [
            EventKind::RestartsFrequent { restarts: 6, window },
            EventKind::RestartHeldBack { restarts: 6, window, until },
        ] {
            let record = record(&event(kind), Some(&subject()));
            assert_eq!(record.level, Level::Warn);
            assert_eq!(record.field("restarts"), Some(&Value::Uint(6)));
            assert_eq!(record.field("window_seconds"), Some(&Value::Uint(60)));
        }
    }

    #[test]
    fn a_reload_that_failed_has_a_short_word_for_it_and_both_causes() {
        let ended = |outcome| {
            let (operation, took) = (OperationId(1), Duration::ZERO);
            let kind = OperationKind::Reload;
            record(&event(EventKind::OperationEnded { operation, kind, outcome, took }), Some(&subject()))
        };
        let verdict = |class| Box::new(Verdict { class, evidence: Vec::new() });
        let failed = ended(Outcome::Failed {
            verdict: verdict(CrashClass::StageFailed(StageError::NoSpace)),
            also: Some(verdict(CrashClass::Signal(9))),
        });
        assert_eq!(failed.field("failure"), Some(&text("stage_failed")));
        assert_eq!(failed.field("reason"), Some(&text("no room on disk for the model")));
        assert_eq!(failed.field("also"), Some(&text("signal SIGKILL")));
        let rolled_back = ended(Outcome::RolledBack { verdict: verdict(CrashClass::StartTimeout) });
        assert_eq!(rolled_back.field("failure"), Some(&text("start_timeout")));
        assert_eq!(ended(Outcome::TimedOut).field("failure"), Some(&text("drain_timeout")));
        assert_eq!(ended(Outcome::Completed).field("failure"), None);
    }

    #[test]
    fn a_commit_names_both_models() {
        let entry = |model: &str| {
            Box::new(CatalogEntry {
                id: None,
                engine: "e".to_owned(),
                engine_version: Some(format!("{model}-version")),
                model: model.to_owned(),
                digest: None,
            })
        };
        let record =
            record(&event(EventKind::Committed { from: entry("v1"), to: entry("v2") }), Some(&subject()));
        assert_eq!((record.field("from"), record.field("to")), (Some(&text("v1")), Some(&text("v2"))));
        assert_eq!(record.field("to_version"), Some(&text("v2-version")));
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
