//! What happened, for observers only: logs, metrics, watchers. Nothing in a driver may depend on it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::breaker::{CircuitKind, CircuitState};
use crate::effect::{FileKind, Signal};
use crate::id::{Correlation, Incarnation, LeaseId, OperationId, PoolUid};
use crate::input::{FileError, ProbeAnswer};
use crate::lease::LeaseEnding;
use crate::operation::{OperationKind, Outcome};
use crate::phase::PhaseName;
use crate::spec::CatalogEntry;
use crate::time::Time;
use crate::verdict::{CrashClass, ExitStatus, StopCause, Verdict};
use crate::window::Storm;

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
    /// The new model of a reload did not become ready. It counts for the reload alone.
    CandidateFailed {
        /// Why, with evidence.
        verdict: Box<Verdict>,
    },
    /// A circuit changed its state.
    CircuitChanged {
        /// Which.
        circuit: CircuitKind,
        /// From.
        from: CircuitState,
        /// To.
        to: CircuitState,
        /// Its failures in a row.
        failures: u32,
        /// How long it stays open, if it opened.
        open_for: Option<Duration>,
    },
    /// A reload is done: another spec is the pool's own now.
    Committed {
        /// What ran before.
        from: Box<CatalogEntry>,
        /// What runs.
        to: Box<CatalogEntry>,
    },
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
    /// A suspect engine answered and nothing else happened: it serves again.
    EngineCleared,
    /// A CUDA error of a live engine was confirmed: it is taken out of service and ended.
    EngineDoomed {
        /// The driver's number, where it reported one.
        xid: Option<u32>,
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
    /// A live engine logged a CUDA error: it is out of service until that is confirmed or not.
    EngineSuspect {
        /// Byte offset of the line in the incarnation's log file.
        offset: u64,
    },
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
    /// An operator closed both circuits and set the failures to 0.
    BreakerReset,
    /// An operator let the next automatic start pass backoff, window and circuits.
    RestartAllowed,
    /// The window is full: the next automatic restart waits.
    RestartHeldBack {
        /// Automatic restarts within the window.
        restarts: u32,
        /// The window.
        window: Duration,
        /// When there is room for the next.
        until: Time,
    },
    /// An engine ended while a circuit was open: no restart.
    RestartPrevented {
        /// What it ended of.
        class: CrashClass,
        /// The circuit that is open longest.
        circuit: CircuitKind,
        /// Until when it is.
        until: Time,
    },
    /// More automatic restarts within the window than are good.
    RestartsFrequent {
        /// How many, this one included.
        restarts: u32,
        /// The window.
        window: Duration,
    },
    /// The supervisor was started again.
    Resumed {
        /// Engines that run on.
        adopted: u32,
        /// Engines that ended meanwhile.
        ended: u32,
    },
    /// A start was scheduled after an end nobody asked for.
    RestartScheduled {
        /// When.
        at: Time,
        /// How long from the end.
        delay: Duration,
        /// Without jitter.
        base: Duration,
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
    /// A model is present and verified.
    ModelStaged {
        /// From the request.
        took: Duration,
    },
    /// Too many restarts, or too many out-of-memory ends, in a short time.
    StormBegan {
        /// Of what.
        storm: Storm,
        /// How many.
        count: u32,
        /// Within what.
        within: Duration,
        /// Storms of this kind since the pool was registered, this one included.
        storms_total: u64,
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
