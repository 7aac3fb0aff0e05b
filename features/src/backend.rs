//! What steps may do to a host and see of it. Steps know nothing else, so the same sentences run against
//! the simulator and against real processes.
//!
//! `script` says how engines and models behave and what goes wrong, `seen` what can be observed. Conditions
//! come with bounds: [`Backend::advance_until`] lets virtual time pass, or waits in real time.

mod script;
mod seen;
mod sim;

use std::fmt;
use std::time::Duration;

use pool_manager::telemetry::Record;
use pool_manager_core::{LeaseId, Operation, OperationId, PoolSpec, Priority, Refusal, Time, Verb};

pub use script::{Fault, HostCondition, Script, ScriptedHealth, ScriptedStaging, ScriptedTerm};
pub use seen::{Accepted, CircuitSeen, HandoffSeen, LeaseAnswer, PoolStatus, ProcessSeen};
pub use sim::SimBackend;

/// One host under test.
pub trait Backend: fmt::Debug {
    /// Engines of a pool that serve a model behave like this from their next start on, and so does staging it.
    fn script(&mut self, pool: &str, model: &str, script: &Script);

    /// Registers a pool.
    ///
    /// # Errors
    /// The host's refusal.
    fn register(&mut self, spec: PoolSpec) -> Result<(), Refusal>;

    /// Gives a command.
    ///
    /// # Errors
    /// The host's refusal.
    fn command(&mut self, pool: &str, verb: Verb) -> Result<Accepted, Refusal>;

    /// The same for a pool that was never registered.
    fn command_to_nobody(&mut self, verb: Verb) -> Result<Accepted, Refusal>;

    /// Asks for a lease; answers with the number of the ask. The holder never ends the lease by itself.
    fn ask_lease(&mut self, pool: &str, priority: Priority, ttl: Option<Duration>) -> u64;

    /// How an ask was answered; `None`: it waits.
    fn lease_answer(&self, ask: u64) -> Option<LeaseAnswer>;

    /// Ends a lease. `false`: it had ended before.
    fn end_lease(&mut self, lease: LeaseId) -> bool;

    /// Renews a lease; answers how long it lives on, `None` until its engine ends.
    ///
    /// # Errors
    /// The host's refusal, or `None` when it had ended before.
    fn renew_lease(&mut self, lease: LeaseId, ttl: Duration) -> Result<Option<Duration>, Option<Refusal>>;

    /// Lets time pass until a condition holds. `false`: it did not within the bound, which has passed.
    fn advance_until(&mut self, bound: Duration, condition: &dyn Fn(&dyn Backend) -> bool) -> bool;

    /// Makes something go wrong with a pool's newest engine, now. `false`: none runs.
    fn inject(&mut self, pool: &str, fault: Fault) -> bool;

    /// The same with several pools in one instant.
    fn inject_all(&mut self, pools: &[String], fault: Fault) {
        for pool in pools {
            assert!(self.inject(pool, fault), "{fault:?} needs an engine of {pool} that runs");
        }
    }

    /// Changes what is true of the host itself.
    fn set_host(&mut self, condition: HostCondition);

    /// Kills the supervisor as SIGKILL does; its engines run on.
    fn kill_supervisor(&mut self);

    /// Starts it again.
    fn start_supervisor(&mut self);

    /// Starts another version of it, which can read nothing of the last one's state but its Facts.
    fn start_other_version(&mut self);

    /// Asks the supervisor to end, as SIGTERM does.
    fn shut_down(&mut self);

    /// Whether the supervisor has ended.
    fn has_exited(&self) -> bool;

    /// The host's clock.
    fn now(&self) -> Time;

    /// The pool's own status: `GET /v1/pools/{id}`. `None`: there is no such pool.
    fn status(&self, pool: &str) -> Option<PoolStatus>;

    /// The registry snapshot: `GET /v1/pools`.
    fn registry(&self) -> Vec<PoolStatus>;

    /// Every process the pool ever had, oldest first.
    fn processes(&self, pool: &str) -> Vec<ProcessSeen>;

    /// When a pool's engine of this number, from 1, was probed, oldest first.
    fn probes(&self, pool: &str, engine: usize) -> Vec<Time>;

    /// What the pool's PID file says, if there is one.
    fn pid_file(&self, pool: &str) -> Option<u32>;

    /// Somebody removes the pool's PID file.
    fn remove_pid_file(&mut self, pool: &str);

    /// What its handoff file says, if there is one.
    fn handoff_file(&self, pool: &str) -> Option<HandoffSeen>;

    /// Every model the provisioner was asked to stage for the pool, oldest first.
    fn stagings_asked(&self, pool: &str) -> Vec<String>;

    /// Whether the model is present and verified.
    fn is_staged(&self, pool: &str, model: &str) -> bool;

    /// Log records of the whole host, oldest first.
    fn records(&self) -> Vec<Record>;

    /// The metrics of the whole host: `GET /metrics`.
    fn metrics(&self) -> String;

    /// An operation, running or kept: `GET /v1/operations/{id}`.
    fn operation(&self, id: OperationId) -> Option<Operation>;

    /// The longest time the host itself may add to what it does at once: none in simulated time.
    fn promptness(&self) -> Duration;

    /// What the run was, as one number, where runs can be the same.
    fn fingerprint(&self) -> Option<u64>;
}
