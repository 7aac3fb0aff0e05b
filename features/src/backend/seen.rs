//! What can be observed of a host from outside.

use std::time::Duration;

use pool_manager_core::{
    CatalogEntry, CircuitKind, CircuitState, EngineSpec, Gates, HoldReason, Incarnation, LastError, LeaseId,
    LeaseTotals, OperationId, PhaseName, Policy, Refusal, Signal, Time, Wanted,
};

/// What an accepted command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It was done.
    Done,
    /// It began or joined an operation.
    Operation(OperationId),
}

/// How a lease ask is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// With a lease, and how long it lives; `None`: until its engine ends.
    Granted {
        /// The lease.
        lease: LeaseId,
        /// From the grant to its expiry.
        expires: Option<Time>,
    },
    /// With a refusal.
    Refused(Refusal),
}

/// One pool as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its name.
    pub pool_id: String,
    /// Its phase.
    pub phase: PhaseName,
    /// Since when.
    pub since: Time,
    /// Why it is held.
    pub held: Option<HoldReason>,
    /// What the operator wants of it.
    pub wanted: Wanted,
    /// Live.
    pub live: bool,
    /// Ready.
    pub ready: bool,
    /// Whether a drain runs.
    pub draining: bool,
    /// Until the drain's deadline.
    pub drain_left: Option<Duration>,
    /// The run of its engine.
    pub incarnation: Option<Incarnation>,
    /// The pid of its engine.
    pub pid: Option<u32>,
    /// What runs, or would.
    pub spec: EngineSpec,
    /// What ran before the last reload.
    pub previous: Option<EngineSpec>,
    /// How it is supervised.
    pub policy: Policy,
    /// Leases active.
    pub leases_active: u32,
    /// Lease asks waiting.
    pub leases_queued: u32,
    /// Leases since it was registered.
    pub lease_totals: LeaseTotals,
    /// What a start waits for.
    pub gates: Option<Gates>,
    /// The operation that runs.
    pub operation: Option<OperationId>,
    /// The last one that ended.
    pub last_operation: Option<OperationId>,
    /// Why the last engine that nobody stopped ended.
    pub last_error: Option<LastError>,
    /// Crashes since it was registered.
    pub crashes_total: u64,
    /// Starts after ends nobody asked for, since the last long stable run.
    pub restart_count: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Its circuits: general, then cuda.
    pub circuits: [CircuitSeen; 2],
    /// Automatic restarts within the window.
    pub restarts_in_window: u32,
    /// Restart storms since it was registered.
    pub restart_storms: u64,
    /// Out-of-memory storms since it was registered.
    pub oom_storms: u64,
    /// Whether it cannot come up by itself soon.
    pub failed: bool,
    /// Whether a CUDA error waits for its confirmation.
    pub suspect: bool,
    /// Whether a confirmed one takes its engine out of service.
    pub doomed: bool,
    /// Whether the next automatic start passes backoff, window and circuits.
    pub restart_allowed: bool,
    /// The last healthy answer.
    pub heartbeat: Option<Time>,
    /// Spawn to Ready, the last time.
    pub load_time: Option<Duration>,
}

/// One circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitSeen {
    /// Which.
    pub kind: CircuitKind,
    /// What it lets through.
    pub state: CircuitState,
    /// Failures in a row that it was charged.
    pub failures: u32,
    /// When it becomes half-open, while it is open.
    pub until: Option<Time>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    /// Its pid.
    pub pid: u32,
    /// The model it was started with.
    pub model: String,
    /// When it was made.
    pub started: Time,
    /// When it ended; `None`: it runs.
    pub ended: Option<Time>,
    /// What it was sent, and when, oldest first.
    pub signals: Vec<(Time, Signal)>,
    /// When it first answered a probe with HTTP 200.
    pub first_healthy: Option<Time>,
}

impl ProcessSeen {
    /// Whether it runs.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        self.ended.is_none()
    }
}

/// A handoff file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffSeen {
    /// The pool's name.
    pub pool_id: String,
    /// What serves.
    pub catalog: CatalogEntry,
    /// The GPUs it uses.
    pub device_mask: Vec<String>,
    /// Leases it may serve at once.
    pub slots_total: u32,
}
