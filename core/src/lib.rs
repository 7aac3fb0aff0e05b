//! Every decision of pool-manager as one pure state machine.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod answer;
mod backoff;
mod deadline;
mod drain;
mod effect;
mod errand;
mod event;
mod files;
mod gate;
mod host;
mod id;
mod input;
mod jitter;
mod ladder;
mod lease;
mod liveness;
mod operation;
mod phase;
mod pool;
mod spec;
mod time;
mod verdict;
mod view;

pub use answer::{Answer, Refusal};
pub use deadline::Due;
pub use effect::{Effect, FileKind, ProbeKind, Signal};
pub use event::{DrainOutcome, Event, EventKind};
pub use gate::{Gates, ReleaseGate};
pub use host::{Host, View};
pub use id::{
    CommandId, Correlation, EffectId, EngineRef, Holder, Incarnation, InvalidLeaseId, InvalidPoolName,
    LeaseId, OperationId, PoolName, PoolUid,
};
pub use input::{
    Completion, FileError, Input, Priority, ProbeAnswer, ReleaseAnswer, SpawnError, Spawned, StageError, Verb,
};
pub use lease::{LeaseEnding, LeaseTotals};
pub use operation::{Meeting, Operation, OperationKind, Outcome};
pub use phase::{DownBy, HoldReason, PhaseName, Wanted};
pub use spec::{
    CatalogEntry, DrainPolicy, EngineSpec, HostConfig, LeasePolicy, LivenessPolicy, Policy, PoolSpec,
    RestartMode, RestartPolicy, SpecHash, StartPolicy, StopPolicy,
};
pub use time::Time;
pub use verdict::{
    CrashClass, Evidence, EvidenceReport, ExitStatus, HostProblem, LogClass, LogEvidence, Memory, StopCause,
    Verdict, signal_name,
};
pub use view::{EngineView, Health, LeaseView, PoolView};
