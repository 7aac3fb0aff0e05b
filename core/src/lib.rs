//! Every decision of pool-manager as one pure state machine.
//!
//! [`Host`] is driven by one call at a time: a driver feeds an [`Input`] with the time it happened,
//! takes the [`Effect`]s that come of it to whatever carries them out, and feeds their results back as
//! inputs. The runtime drives it with real processes, the simulator with fake ones. The same inputs
//! always give the same effects: there is no clock, thread, file, socket, hash order, float or
//! generator of random numbers in this crate.
//!
//! One sub-machine a file: `drain`, `ladder` (TERM to KILL), `liveness`, `lease`, `reload`, `backoff`,
//! `breaker`, `window`, `limiter`, `device`, `verdict`,
//! `files`, `gate`, `errand` (effects not answered yet), `deadline`. They do not see each other; `pool` composes them
//! and alone moves a pool from `phase` to phase; `host` composes the pools. [`journal`] puts a host and its inputs into
//! bytes and back.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    missing_docs
)]
#![cfg_attr(test, allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used))]

extern crate alloc;

mod answer;
mod backoff;
mod breaker;
mod deadline;
mod device;
mod drain;
mod effect;
mod errand;
mod event;
mod files;
mod fingerprint;
mod gate;
mod host;
mod id;
mod input;
mod jitter;
pub mod journal;
mod ladder;
mod lease;
mod limiter;
mod liveness;
mod operation;
mod phase;
mod pool;
mod reload;
mod signs;
mod spec;
mod time;
mod verdict;
mod view;
mod window;

pub use answer::{Answer, Refusal};
pub use breaker::{CircuitKind, CircuitState, CircuitView};
pub use deadline::Due;
pub use effect::{Effect, FileKind, ProbeKind, Signal};
pub use event::{DrainOutcome, Event, EventKind};
pub use fingerprint::Fingerprint;
pub use gate::{Gates, ReleaseGate};
pub use host::{Host, View};
pub use id::{
    CommandId, Correlation, EffectId, EngineRef, Holder, Incarnation, InvalidLeaseId, InvalidPoolName,
    LeaseId, OperationId, PoolName, PoolUid,
};
pub use input::{
    Adopted, Completion, FileError, Input, ModelStamp, Preflight, Priority, ProbeAnswer, ReleaseAnswer,
    Reload, ReloadTarget, Resume, SpawnError, Spawned, StageError, Verb,
};
pub use lease::{LeaseEnding, LeaseTotals};
pub use operation::{Meeting, Operation, OperationKind, Outcome};
pub use phase::{DownBy, HoldReason, PhaseName, Wanted};
pub use spec::{
    CatalogEntry, DrainPolicy, EngineSpec, HostConfig, LeasePolicy, LimiterPolicy, LivenessPolicy,
    OnDrainTimeout, PerformanceHints, Policy, PoolSpec, ReloadPolicy, RestartMode, RestartPolicy, SpecHash,
    StartPolicy, StopPolicy,
};
pub use time::Time;
pub use verdict::{
    CrashClass, Evidence, EvidenceReport, ExitStatus, HostProblem, LastError, LogClass, LogEvidence, Memory,
    StopCause, Verdict, signal_name,
};
pub use view::{EngineView, Health, LeaseView, PoolView};
pub use window::Storm;
