//! Why an engine ended: evidence, one observed fact each, adds up to a verdict, whose class says what follows.

mod class;
mod judge;

pub use class::{CrashClass, HostProblem, Memory, signal_name};
pub(crate) use judge::{End, judge};

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::Incarnation;
use crate::input::{ProbeAnswer, SpawnError, StageError};
use crate::time::Time;

/// How a process ended, as its parent was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is gone and nobody could say how.
    Unknown,
}

/// What an executor found out about an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceReport {
    /// Classified log lines in order of time; the first [`Self::MOST_LINES`] only.
    pub log: Vec<LogEvidence>,
    /// Whether the engine's own out-of-memory counter rose; `None` when it has none.
    pub oom_kill: Option<bool>,
}

impl EvidenceReport {
    /// More classified lines add nothing: the first decides.
    pub const MOST_LINES: usize = 16;
}

/// A classified log line; the text stays in the log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogEvidence {
    /// What the line says.
    pub class: LogClass,
    /// Byte offset of the line in the incarnation's log file.
    pub offset: u64,
}

/// What a log line says, whatever the engine's wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogClass {
    /// The port was taken.
    AddressInUse,
    /// A CUDA error other than out of memory: the context is lost.
    CudaError,
    /// Driver and library do not match, or the driver is too old.
    DriverMismatch,
    /// The GPU has no memory left.
    GpuOutOfMemory,
    /// The model could not be loaded.
    ModelLoad,
    /// No GPU could be found.
    NoDevice,
    /// A worker or rank of the engine died.
    WorkerDied,
}

/// One observed fact about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// How the process ended.
    Exit(ExitStatus),
    /// A classified log line.
    Log(LogEvidence),
    /// The out-of-memory counter rose.
    OomKill,
    /// We signalled it, for the cause given.
    OwnSignal(StopCause),
    /// A process that is not ours listens on the port.
    PortStranger(u16),
    /// A probe of the ready engine failed.
    ProbeFailed {
        /// When the answer came, or its time was over.
        at: Time,
        /// What was found.
        answer: ProbeAnswer,
    },
    /// No process was made.
    Spawn(SpawnError),
    /// The model was not staged.
    Stage(StageError),
    /// The driver of a GPU of the mask reported this number.
    Xid(u32),
}

/// Why we ended an engine ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// An operation asked for it.
    Asked,
    /// A CUDA error was confirmed on the live engine.
    Doomed,
    /// The port answers for a process that is not this engine.
    PortStranger,
    /// It did not become ready in time.
    StartTimeout,
    /// Liveness probes failed.
    Unhealthy,
}

/// A class with the evidence it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it adds up to.
    pub class: CrashClass,
    /// In order of time where that is known.
    pub evidence: Vec<Evidence>,
}

/// The last attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// Why.
    pub verdict: Verdict,
    /// Which engine it was, and so which log file; `None`: no engine was begun.
    pub incarnation: Option<Incarnation>,
    /// When the engine ended, or the attempt.
    pub at: Time,
}
