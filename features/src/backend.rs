//! What steps may do to a host and see of it. Steps know nothing else, so the same sentences run against
//! the simulator and against real processes.
//!
//! Conditions come with bounds: [`Backend::advance_until`] lets virtual time pass, or waits in real time.

mod sim;

use std::fmt;
use std::time::Duration;

use pool_manager::telemetry::Record;
use pool_manager_core::{LeaseId, Operation, OperationId, PhaseName, PoolSpec, Refusal, Signal, Verb};

pub use sim::SimBackend;

/// One host under test.
pub trait Backend: fmt::Debug {
    /// Registers a pool whose engine behaves as its kind says.
    ///
    /// # Errors
    /// The host's refusal.
    fn register(&mut self, spec: PoolSpec, engine: EngineKind) -> Result<(), Refusal>;

    /// Gives a command; answers with the operation it began or joined.
    ///
    /// # Errors
    /// The host's refusal.
    fn command(&mut self, pool: &str, verb: Verb) -> Result<OperationId, Refusal>;

    /// Asks for a lease that its holder never ends by itself.
    ///
    /// # Errors
    /// The host's refusal.
    fn ask_lease(&mut self, pool: &str) -> Result<LeaseId, Refusal>;

    /// Ends a lease. `false`: it had ended before.
    fn end_lease(&mut self, lease: LeaseId) -> bool;

    /// Lets time pass until the condition holds for what is seen of the pool. `false`: it did not
    /// within the bound.
    fn advance_until(
        &mut self,
        pool: &str,
        bound: Duration,
        condition: &dyn Fn(&Observation) -> bool,
    ) -> bool;

    /// Makes something go wrong with a pool's engine, now.
    fn inject(&mut self, pool: &str, fault: Fault);

    /// What can be seen of a pool, now.
    fn observe(&self, pool: &str) -> Observation;

    /// An operation, running or kept.
    fn operation(&self, id: OperationId) -> Option<Operation>;

    /// The longest time the host itself may add to what it does at once: none in simulated time.
    fn promptness(&self) -> Duration;
}

/// How an engine behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Loads, is healthy, exits on TERM.
    Obedient,
    /// Loads, is healthy, goes on after TERM.
    IgnoresTerm,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The engine exits with a code.
    Exits(i32),
    /// The engine stops answering probes.
    Hangs,
}

/// What can be seen from outside.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The pool's own status: `GET /v1/pools/{id}`.
    pub status: Option<PoolStatus>,
    /// The registry snapshot: `GET /v1/pools`.
    pub snapshot: Vec<PoolStatus>,
    /// Every process the pool ever had, oldest first.
    pub processes: Vec<ProcessSeen>,
    /// What its PID file says, if there is one.
    pub pid_file: Option<u32>,
    /// Whether there is a handoff file.
    pub handoff_file: bool,
    /// Log records of the whole host, oldest first.
    pub records: Vec<Record>,
    /// The metrics of the whole host: `GET /metrics`.
    pub metrics: String,
}

impl Observation {
    /// The pool's entry in the registry snapshot.
    #[must_use]
    pub fn registry_entry(&self, pool: &str) -> Option<&PoolStatus> {
        self.snapshot.iter().find(|entry| entry.pool_id == pool)
    }
}

/// One pool as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its name.
    pub pool_id: String,
    /// Its phase.
    pub phase: PhaseName,
    /// Whether a drain runs.
    pub draining: bool,
    /// Until the drain's deadline.
    pub drain_left: Option<Duration>,
    /// Live.
    pub live: bool,
    /// Ready.
    pub ready: bool,
    /// Leases active.
    pub leases_active: u32,
    /// Leases we ever cut.
    pub leases_cut: u64,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    /// Its pid.
    pub pid: u32,
    /// Whether it runs.
    pub alive: bool,
    /// What it was sent, oldest first.
    pub signals: Vec<Signal>,
}
