//! What happened, for observers only: logs, metrics, watchers. Nothing in a driver may depend on it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::effect::{FileKind, Signal};
use crate::id::{Correlation, Incarnation, LeaseId, OperationId, PoolUid};
use crate::input::{FileError, ProbeAnswer};
use crate::lease::LeaseEnding;
use crate::operation::{OperationKind, Outcome};
use crate::phase::PhaseName;
use crate::time::Time;
use crate::verdict::{CrashClass, ExitStatus, StopCause, Verdict};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Time,
    /// The pool it is about; `None`: the host.
    pub pool: Option<PoolUid>,
    /// The engine it is about.
    pub incarnation: Option<Incarnation>,
    /// The command that led to it.
    pub correlation: Option<Correlation>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// An engine ended and nobody had asked for it.
    Crashed {
        /// Why, with evidence.
        verdict: Box<Verdict>,
        /// From spawn to end.
        uptime: Duration,
        /// Crashes since the pool was first registered, this one included.
        crashes_total: u64,
    },
    /// A pool was forgotten.
    Deregistered,
    /// A drain ended.
    DrainEnded {
        /// How.
        outcome: DrainOutcome,
        /// From its start.
        took: Duration,
        /// Leases we ended at the deadline.
        cut: Vec<LeaseId>,
        /// Leases that went with the engine.
        lost: Vec<LeaseId>,
    },
    /// A drain began.
    DrainStarted {
        /// Leases active at that moment.
        in_flight: u32,
        /// When patience ends.
        deadline: Time,
    },
    /// A process ended.
    EngineEnded {
        /// How.
        status: ExitStatus,
        /// Our own signal came first, for this cause.
        stopped_for: Option<StopCause>,
    },
    /// An engine became ready.
    EngineReady {
        /// From spawn.
        took: Duration,
    },
    /// A process was made.
    EngineSpawned {
        /// Its pid.
        pid: u32,
    },
    /// A process outlived KILL.
    EngineStuck,
    /// A PID or handoff file could not be written or removed.
    FileFailed {
        /// Which.
        file: FileKind,
        /// Why.
        error: FileError,
    },
    /// A lease ended without completing.
    LeaseEnded {
        /// Which.
        lease: LeaseId,
        /// How.
        how: LeaseEnding,
    },
    /// An operation ended.
    OperationEnded {
        /// Which.
        operation: OperationId,
        /// Its kind.
        kind: OperationKind,
        /// How.
        outcome: Outcome,
        /// From its start.
        took: Duration,
    },
    /// An operation began.
    OperationStarted {
        /// Which.
        operation: OperationId,
        /// Its kind.
        kind: OperationKind,
    },
    /// The pool's phase changed.
    PhaseChanged {
        /// From.
        from: PhaseName,
        /// To.
        to: PhaseName,
    },
    /// A process that is not ours listens on the pool's port.
    PortStranger {
        /// The port.
        port: u16,
        /// The process, where it may be seen.
        pid: Option<u32>,
    },
    /// A probe of a ready engine failed.
    ProbeFailed {
        /// What was found.
        answer: ProbeAnswer,
        /// Failures in a row, this one included.
        misses: u32,
        /// Whether it counted: a time-out does not while work progresses.
        counted: bool,
    },
    /// A pool is known.
    Registered,
    /// A start was scheduled after an end nobody asked for.
    RestartScheduled {
        /// When.
        at: Time,
        /// How long from the end.
        delay: Duration,
        /// Failures in a row.
        failures: u32,
        /// What the start follows.
        reason: CrashClass,
    },
    /// The supervisor is going down.
    ShutdownStarted {
        /// By a second request: kill what is left.
        forced: bool,
    },
    /// An engine was signalled.
    Signalled {
        /// How hard.
        signal: Signal,
    },
    /// An input of an older incarnation or a closed effect was dropped.
    StaleInput,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainOutcome {
    /// All leases ended in time.
    Completed,
    /// The engine ended by itself.
    EngineExited,
    /// The deadline passed; what was left was cut.
    ForceStopped,
    /// A higher operation took over.
    Superseded,
    /// The deadline passed and the drain was given up; the engine goes on.
    TimedOut,
    /// It was taken back.
    Undrained,
}

impl DrainOutcome {
    /// The label of the drain-duration histogram.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::EngineExited => "engine_exited",
            Self::ForceStopped => "force_stopped",
            Self::Superseded => "superseded",
            Self::TimedOut => "timed_out",
            Self::Undrained => "undrained",
        }
    }
}
