//! The documents that say how a pool is: built from the core's view on the server, read back by
//! `poolctl`. Fields are only ever added. Every time is in seconds, counted from the moment the
//! document was made: `…_seconds` is how long ago or how long, `…in_seconds` is how long from then.

use std::time::Duration;

use pool_manager_core::{
    CatalogEntry, CircuitKind, CircuitState, CircuitView, CrashClass, DownBy, Due, Evidence, Gates,
    HoldReason, LastError, Operation, OperationId, PhaseName, PoolView, ReleaseGate, Time, Verdict, View,
    Wanted,
};
use serde::{Deserialize, Serialize};

use super::operations::OperationStatus;
use super::words;

/// One pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub id: String,
    /// The phase in the words of readers: as `phase`, but `failed` for a pool that does not come up by itself
    /// soon (held, or without an engine while a circuit is open).
    pub state: String,
    /// Where it is in its life.
    pub phase: PhaseName,
    /// How long it has been there.
    pub since_seconds: f64,
    /// Whether it takes work.
    pub ready: bool,
    /// Whether the process exists and was not signalled.
    pub live: bool,
    /// Whether it takes no new work and waits for what is in flight.
    pub draining: bool,
    /// Why no start is tried, if it is held.
    pub held: Option<HoldReason>,
    /// Whether an engine is wanted.
    pub wanted_up: bool,
    /// Who wanted it down.
    pub down_by: Option<DownBy>,
    /// What runs, or would.
    pub catalog: CatalogEntry,
    /// What the operator measured of it.
    #[serde(default)]
    pub hints: HintStatus,
    /// What ran before the last reload, and would run after `reload --back`.
    #[serde(default)]
    pub previous: Option<CatalogEntry>,
    /// GPUs it may touch.
    pub device_mask: Vec<String>,
    /// Where clients reach the engine.
    pub url: Option<String>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// The engine, while one exists.
    pub engine: Option<EngineStatus>,
    /// Who is using it.
    pub leases: LeaseCounts,
    /// The drain that runs.
    pub drain: Option<DrainStatus>,
    /// What a start waits for.
    pub gates: Vec<GateStatus>,
    /// The operation that runs.
    pub operation: Option<OperationStatus>,
    /// The last one that ended.
    pub last_operation: Option<OperationStatus>,
    /// Why the last engine that nobody stopped ended.
    pub last_error: Option<LastErrorStatus>,
    /// Crashes since the pool was first registered.
    pub crashes_total: u64,
    /// Starts after an end nobody asked for, since the last long stable run.
    pub restart_count: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Both circuits: general, then cuda.
    #[serde(default)]
    pub circuits: Vec<CircuitStatus>,
    /// Automatic restarts, and what is made of them.
    #[serde(default)]
    pub restarts: RestartStatus,
    /// Whether the engine logged a CUDA error that is not confirmed yet: it takes no new work until then.
    #[serde(default)]
    pub suspect: bool,
    /// Whether a confirmed CUDA error takes the engine out of service.
    #[serde(default)]
    pub doomed: bool,
    /// Since the last healthy answer.
    pub heartbeat_seconds: Option<f64>,
    /// Spawn to Ready, the last time.
    pub load_seconds: Option<f64>,
    /// Longest start.
    pub start_timeout_seconds: f64,
    /// The next deadline.
    pub next: Option<NextStatus>,
}

/// The engine of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Which run: `<start of the supervisor>.<number>`.
    pub incarnation: String,
    /// Its pid, once known.
    pub pid: Option<u32>,
    /// Since its spawn.
    pub uptime_seconds: f64,
    /// Since it became ready.
    pub ready_seconds: Option<f64>,
}

/// Leases of a pool. `granted = completed + expired + cut + lost + active`, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseCounts {
    /// Active now.
    pub active: u32,
    /// Most at once.
    pub slots: u32,
    /// Asks that wait for a slot.
    pub queued: u32,
    /// All that were granted.
    pub granted: u64,
    /// Ended by their holders.
    pub completed: u64,
    /// Ended by their time to live.
    pub expired: u64,
    /// Ended by the supervisor.
    pub cut: u64,
    /// Gone with their engine.
    pub lost: u64,
}

/// What an engine achieves, as far as its operator knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HintStatus {
    /// Tokens generated per second, over all slots.
    pub tokens_per_second: Option<u32>,
    /// From a request to its first token.
    pub first_token_seconds: Option<f64>,
}

/// One circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CircuitStatus {
    /// Which.
    pub circuit: CircuitKind,
    /// What it lets through.
    pub state: CircuitState,
    /// Failures in a row that it was charged.
    pub failures: u32,
    /// How many open it; 0: it never opens by failures alone.
    pub opens_at: u32,
    /// Until it is half-open, while it is open.
    pub in_seconds: Option<f64>,
}

/// Automatic restarts of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestartStatus {
    /// How many there were within the window.
    pub in_window: u32,
    /// The sliding window.
    pub window_seconds: f64,
    /// How many there may be in it; 0: any number.
    pub most_in_window: u32,
    /// Whether the next one passes backoff, window and circuits.
    pub allowed: bool,
    /// Restart storms since the pool was registered.
    pub storms: u64,
    /// Out-of-memory storms since the pool was registered.
    pub oom_storms: u64,
}

/// A drain that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrainStatus {
    /// Until patience ends.
    pub deadline_in_seconds: f64,
}

/// One reason why a start waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateStatus {
    /// `backoff`, `window`, `circuit`, `limiter`, `release`, `host_problem` or `port_stranger`.
    pub gate: String,
    /// In words.
    pub text: String,
    /// Until it opens, or is looked at again.
    pub in_seconds: Option<f64>,
}

/// The last attempt that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastErrorStatus {
    /// Why.
    #[serde(flatten)]
    pub verdict: VerdictStatus,
    /// Which engine it was, as in the name of its log file; none: no engine was begun.
    pub incarnation: Option<String>,
    /// Since it ended.
    pub ago_seconds: f64,
}

/// Why an engine ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictStatus {
    /// The class: `exit`, `signal`, `cuda` …
    pub class: String,
    /// The class in words, with its number.
    pub text: String,
    /// What can be done about it, where that is known.
    #[serde(default)]
    pub remedy: Option<String>,
    /// What it rests on, in order of time where that is known.
    pub evidence: Vec<EvidenceStatus>,
}

/// One observed fact about an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceStatus {
    /// In words.
    pub text: String,
    /// Byte offset of the line in the incarnation's log, when it is a log line.
    pub log_offset: Option<u64>,
}

/// The next deadline of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextStatus {
    /// What it is for.
    pub due: Due,
    /// In words.
    pub text: String,
    /// Until then.
    pub in_seconds: f64,
}

impl PoolStatus {
    /// Copies one pool out of the host. The URL is the edge's to fill in.
    pub(super) fn of(view: View<'_>, pool: &PoolView<'_>, now: Time) -> Self {
        let name = pool.name.as_str();
        let operation = |operation: &Operation| OperationStatus::of(operation, Some(name), now);
        let kept = |id: OperationId| view.operation(id).map(operation);
        Self {
            id: name.to_owned(),
            state: if pool.failed { "failed" } else { pool.phase.label() }.to_owned(),
            phase: pool.phase,
            since_seconds: seconds(now.since(pool.since)),
            ready: pool.health.ready,
            live: pool.health.live,
            draining: pool.draining,
            held: pool.held,
            wanted_up: pool.wanted == Wanted::Up,
            down_by: match pool.wanted {
                Wanted::Down(by) => Some(by),
                Wanted::Up => None,
            },
            catalog: pool.spec.catalog.clone(),
            hints: HintStatus {
                tokens_per_second: pool.spec.hints.tokens_per_second,
                first_token_seconds: pool.spec.hints.first_token.map(seconds),
            },
            previous: pool.previous.map(|spec| spec.catalog.clone()),
            device_mask: pool.spec.device_mask.clone(),
            url: None,
            port: pool.spec.port,
            engine: pool.engine.map(|engine| EngineStatus {
                incarnation: engine.incarnation.to_string(),
                pid: engine.pid,
                uptime_seconds: seconds(now.since(engine.spawned)),
                ready_seconds: engine.ready_since.map(|since| seconds(now.since(since))),
            }),
            leases: LeaseCounts::of(pool),
            drain: pool
                .drain_deadline
                .map(|deadline| DrainStatus { deadline_in_seconds: seconds(deadline.left(now)) }),
            gates: pool.gates.map(|gates| closed_gates(gates, now)).unwrap_or_default(),
            operation: pool.operation.map(operation),
            last_operation: pool.last_operation.and_then(kept),
            last_error: pool.last_error.map(|error| LastErrorStatus::of(error, now)),
            crashes_total: pool.crashes_total,
            restart_count: pool.restart_count,
            failures: pool.failures,
            circuits: circuits(pool, now),
            restarts: RestartStatus {
                in_window: pool.restarts_in_window,
                window_seconds: seconds(pool.policy.restart.window),
                most_in_window: pool.policy.restart.window_restarts,
                allowed: pool.restart_allowed,
                storms: pool.restart_storms,
                oom_storms: pool.oom_storms,
            },
            suspect: pool.suspect,
            doomed: pool.doomed,
            heartbeat_seconds: pool.heartbeat.map(|at| seconds(now.since(at))),
            load_seconds: pool.load_time.map(seconds),
            start_timeout_seconds: seconds(pool.policy.start.timeout),
            next: pool.next.map(|(at, due)| NextStatus {
                due,
                text: words::due(due).to_owned(),
                in_seconds: seconds(at.left(now)),
            }),
        }
    }
}

impl LeaseCounts {
    fn of(pool: &PoolView<'_>) -> Self {
        let totals = pool.lease_totals;
        Self {
            active: pool.leases_active,
            slots: pool.policy.lease.slots,
            queued: pool.leases_queued,
            granted: totals.granted,
            completed: totals.completed,
            expired: totals.expired,
            cut: totals.cut,
            lost: totals.lost,
        }
    }
}

impl LastErrorStatus {
    fn of(error: &LastError, now: Time) -> Self {
        Self {
            verdict: VerdictStatus::from(&error.verdict),
            incarnation: error.incarnation.map(|incarnation| incarnation.to_string()),
            ago_seconds: seconds(now.since(error.at)),
        }
    }
}

impl From<&Verdict> for VerdictStatus {
    fn from(verdict: &Verdict) -> Self {
        Self {
            class: verdict.class.label().to_owned(),
            text: verdict.class.to_string(),
            remedy: verdict.class.remedy().map(str::to_owned),
            evidence: verdict.evidence.iter().map(EvidenceStatus::from).collect(),
        }
    }
}

impl From<&Evidence> for EvidenceStatus {
    fn from(evidence: &Evidence) -> Self {
        let log_offset = if let Evidence::Log(line) = evidence { Some(line.offset) } else { None };
        Self { text: words::evidence(evidence), log_offset }
    }
}

fn circuits(pool: &PoolView<'_>, now: Time) -> Vec<CircuitStatus> {
    let status = |circuit: CircuitView| CircuitStatus {
        circuit: circuit.kind,
        state: circuit.state,
        failures: circuit.failures,
        opens_at: pool.policy.restart.circuit_failures,
        in_seconds: circuit.until.map(|until| seconds(until.left(now))),
    };
    pool.circuits.map(status).to_vec()
}

fn closed_gates(gates: &Gates, now: Time) -> Vec<GateStatus> {
    let gate = |gate: &str, text: String, in_seconds| GateStatus { gate: gate.to_owned(), text, in_seconds };
    let mut closed = Vec::new();
    if let Some(until) = gates.backoff_until.filter(|until| *until > now) {
        let text = "backoff after the last failure".to_owned();
        closed.push(gate("backoff", text, Some(seconds(until.left(now)))));
    }
    let waits = [
        ("window", gates.window_until, "too many restarts within the sliding window"),
        ("circuit", gates.circuit_until, "a circuit is open; then one start is tried"),
        ("limiter", gates.limiter_until, "other engines of this host load; sooner when one of them is done"),
    ];
    for (name, until, text) in waits {
        if let Some(until) = until.filter(|until| *until > now) {
            closed.push(gate(name, text.to_owned(), Some(seconds(until.left(now)))));
        }
    }
    match gates.release {
        ReleaseGate::Unasked | ReleaseGate::Asked { .. } => {}
        ReleaseGate::Held { since } => {
            let text = format!(
                "ports or GPUs of the last engine are still in use, for {} now",
                words::brief(seconds(now.since(since)))
            );
            closed.push(gate("release", text, None));
        }
        ReleaseGate::HostProblem { problem, recheck } => {
            let text = CrashClass::HostProblem(problem).to_string();
            closed.push(gate("host_problem", text, Some(seconds(recheck.left(now)))));
        }
        ReleaseGate::PortStranger { port, pid, recheck } => {
            let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            let text = format!("{who}, which is not ours, listens on port {port}");
            closed.push(gate("port_stranger", text, Some(seconds(recheck.left(now)))));
        }
    }
    closed
}

/// Seconds to the millisecond: what people and scripts want to see.
pub(super) fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}
