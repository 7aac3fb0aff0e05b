//! What readers see: the registry snapshot, reasons, and what happens next and when.
//!
//! Borrowed from the host; API, oracles and metrics read it between two inputs.

use core::time::Duration;

use crate::breaker::CircuitView;
use crate::deadline::Due;
use crate::gate::Gates;
use crate::id::{Holder, Incarnation, LeaseId, OperationId, PoolName, PoolUid};
use crate::input::Priority;
use crate::lease::LeaseTotals;
use crate::operation::Operation;
use crate::phase::{HoldReason, PhaseName, Wanted};
use crate::spec::{EngineSpec, Policy};
use crate::time::Time;
use crate::verdict::LastError;

/// Liveness and readiness as everyone outside sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The process exists and we have sent it no signal.
    pub live: bool,
    /// Live, healthy, and not draining.
    pub ready: bool,
}

/// One pool.
#[derive(Clone, Debug)]
pub struct PoolView<'a> {
    /// What the host calls it.
    pub uid: PoolUid,
    /// What people call it.
    pub name: &'a PoolName,
    /// Where it is in its life.
    pub phase: PhaseName,
    /// Since when.
    pub since: Time,
    /// Why it is held, if it is.
    pub held: Option<HoldReason>,
    /// What the operator wants of it.
    pub wanted: Wanted,
    /// Live and ready.
    pub health: Health,
    /// Whether a drain runs.
    pub draining: bool,
    /// The deadline of the drain that runs.
    pub drain_deadline: Option<Time>,
    /// The engine, while one exists.
    pub engine: Option<EngineView>,
    /// What runs, or would: the committed spec, also while another is tried.
    pub spec: &'a EngineSpec,
    /// What ran before the last reload, and would run after `reload --back`.
    pub previous: Option<&'a EngineSpec>,
    /// How it is supervised.
    pub policy: &'a Policy,
    /// Leases active now.
    pub leases_active: u32,
    /// Lease asks waiting.
    pub leases_queued: u32,
    /// Leases since the pool was registered.
    pub lease_totals: LeaseTotals,
    /// What a start waits for.
    pub gates: Option<&'a Gates>,
    /// The operation that runs.
    pub operation: Option<&'a Operation>,
    /// The last one that ended.
    pub last_operation: Option<OperationId>,
    /// Why the last engine that nobody stopped ended.
    pub last_error: Option<&'a LastError>,
    /// Crashes since the pool was registered.
    pub crashes_total: u64,
    /// Starts after an end nobody asked for, since the last long stable run.
    pub restart_count: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Both circuits: general, then cuda.
    pub circuits: [CircuitView; 2],
    /// Automatic restarts within the window.
    pub restarts_in_window: u32,
    /// Restart storms since the pool was registered.
    pub restart_storms: u64,
    /// Out-of-memory storms since the pool was registered.
    pub oom_storms: u64,
    /// Whether it cannot come up by itself soon: it is held, or a circuit is open and no engine runs.
    pub failed: bool,
    /// Whether the ready engine logged a CUDA error that is not confirmed yet.
    pub suspect: bool,
    /// Whether a confirmed CUDA error takes the engine out of service.
    pub doomed: bool,
    /// Whether the next automatic start passes backoff, window and circuits.
    pub restart_allowed: bool,
    /// The last healthy answer.
    pub heartbeat: Option<Time>,
    /// Spawn to Ready, the last time.
    pub load_time: Option<Duration>,
    /// The next deadline, and what it is for.
    pub next: Option<(Time, Due)>,
}

/// The engine of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineView {
    /// Which run.
    pub incarnation: Incarnation,
    /// Its pid, once known.
    pub pid: Option<u32>,
    /// When its spawn was asked.
    pub spawned: Time,
    /// When it became ready.
    pub ready_since: Option<Time>,
}

/// One active lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// Which.
    pub id: LeaseId,
    /// Who holds it.
    pub holder: Holder,
    /// Which queue it came through.
    pub priority: Priority,
    /// When it was granted.
    pub granted: Time,
    /// When it expires; `None`: when the incarnation ends.
    pub expires: Option<Time>,
}
