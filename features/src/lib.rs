//! The behaviours of pool-manager as executable scenarios.
//!
//! `scenarios/` holds the `.feature` files, `steps` what their sentences mean, `backend` what the steps may
//! do to a host, be it simulated or real. [`run`] is the strict runner behind every test target.

mod backend;
mod draft;
mod runner;
mod steps;
mod world;

pub use backend::{
    Accepted, Backend, CircuitSeen, Fault, HandoffSeen, HostCondition, LeaseAnswer, PoolStatus, ProcessSeen,
    Script, ScriptedHealth, ScriptedStaging, ScriptedTerm, SimBackend,
};
pub use runner::{
    Arguments, MakeBackend, Report, ScenarioResult, Verdict, feature_path, main, run, scenarios, seeds,
};
pub use world::PoolWorld;
