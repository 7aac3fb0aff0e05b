//! Supervision in Facts: counters, circuits, windows and the last error. Read the rules in the parent module.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::engine::IncarnationFacts;
use super::if_known;
use crate::breaker::CircuitState;
use crate::verdict::Verdict;

/// What supervision remembers across engines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SupervisionFacts {
    /// Crashes since the pool was registered.
    pub crashes_total: u64,
    /// Automatic restarts since the last long stable run.
    pub restart_count: u32,
    /// Failures in a row.
    pub failures: u32,
    /// The circuit of every failure but CUDA errors.
    pub general: CircuitFacts,
    /// The circuit of CUDA errors.
    pub cuda: CircuitFacts,
    /// Automatic restarts that the window still counts, oldest first.
    pub restarts_nanos: Vec<u64>,
    /// Out-of-memory ends that their window still counts, oldest first.
    pub oom_ends_nanos: Vec<u64>,
    /// Restart storms since the pool was registered.
    pub restart_storms: u64,
    /// Whether one goes on: it is not counted again.
    pub restart_storm_rages: bool,
    /// Out-of-memory storms since the pool was registered.
    pub oom_storms: u64,
    /// Whether one goes on.
    pub oom_storm_rages: bool,
    /// When the backoff of the next automatic start ends, or ended; the start may be held for other reasons.
    pub backoff_until_nanos: Option<u64>,
    /// Whether the next automatic start passes backoff, window and circuits.
    pub restart_allowed: bool,
    /// The last attempt that failed.
    pub last_error: Option<LastErrorFacts>,
}

/// One circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CircuitFacts {
    /// `None` when the word is not known: as if closed, with its failures.
    #[serde(deserialize_with = "if_known")]
    pub state: Option<CircuitState>,
    /// Failures in a row that it was charged.
    pub failures: u32,
    /// When it becomes half-open, while it is open.
    pub until_nanos: Option<u64>,
    /// How long it was open last.
    pub open_for_nanos: Option<u64>,
}

/// The last attempt that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastErrorFacts {
    /// [`CrashClass::label`](crate::CrashClass::label): stays readable when `verdict` does not.
    pub class: String,
    /// The class as a person says it.
    pub text: String,
    /// When.
    pub at_nanos: u64,
    /// Which engine; `None`: none was begun.
    pub incarnation: Option<IncarnationFacts>,
    /// With its evidence; `None` when it cannot be read: class unknown, no evidence.
    #[serde(deserialize_with = "if_known")]
    pub verdict: Option<Verdict>,
}
