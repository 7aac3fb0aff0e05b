//! The behaviours of pool-manager as executable scenarios.
//!
//! `scenarios/` holds the `.feature` files, `steps` what their sentences mean, `backend` what the steps may
//! do to a host, be it simulated or real. [`run`] is the strict runner behind every test target.

mod backend;
mod runner;
mod steps;
mod world;

pub use backend::{Backend, EngineKind, Fault, Observation, PoolStatus, ProcessSeen, SimBackend};
pub use runner::{Arguments, Verdict, feature_path, main, run};
pub use world::PoolWorld;
