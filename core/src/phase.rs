//! The phases of a pool's life. The data a phase needs lives in its variant; a transition consumes
//! the old value, so a half-updated pool cannot exist.
//!
//! Only `pool` moves a pool from one phase to the next.

use serde::{Deserialize, Serialize};

use crate::drain::Drain;
use crate::gate::Gates;
use crate::id::Incarnation;
use crate::ladder::Ladder;
use crate::limiter::Rank;
use crate::liveness::Liveness;
use crate::signs::Signs;
use crate::time::Time;
use crate::verdict::{EvidenceReport, ExitStatus, StopCause};
use crate::view::EngineView;

/// A phase without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// Takes no new work; waits for what is in flight.
    Draining,
    /// The engine is gone; its files are removed and its end is explained.
    Ended,
    /// No start until the cause of the hold is gone; there is no time-out.
    Held,
    /// Serves.
    Ready,
    /// The model is made present and verified.
    Staging,
    /// The process exists, or is being made, and is not healthy yet.
    Starting,
    /// No engine, and none wanted.
    Stopped,
    /// The engine was told to end.
    Stopping,
    /// A start waits for its gates.
    Waiting,
}

impl PhaseName {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Stopped,
        Self::Staging,
        Self::Waiting,
        Self::Starting,
        Self::Ready,
        Self::Draining,
        Self::Stopping,
        Self::Ended,
        Self::Held,
    ];

    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Ended => "ended",
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Staging => "staging",
            Self::Starting => "starting",
            Self::Stopped => "stopped",
            Self::Stopping => "stopping",
            Self::Waiting => "waiting",
        }
    }
}

/// Why a pool is held, and so what lifts the hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// It cannot start as configured: a new spec, a preload, or the missing file appearing.
    Config,
    /// Ports or devices did not come free in time: the release check passing.
    NotReleased,
    /// An engine of another pool that outlived KILL holds a device: its exit.
    Quarantine,
    /// The engine outlived KILL: its exit.
    Stuck,
}

impl HoldReason {
    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::NotReleased => "not_released",
            Self::Quarantine => "quarantine",
            Self::Stuck => "stuck",
        }
    }
}

/// What the operator wants of a pool. Down never spawns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// No engine.
    Down(DownBy),
    /// An engine, restarted under policy.
    Up,
}

/// Who wanted a pool down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownBy {
    /// The engine ended cleanly by itself.
    CleanExit,
    /// The pool is being forgotten.
    Deregister,
    /// An operator drained it.
    Drain,
    /// It was registered without autostart.
    Registered,
    /// The restart mode is `never`, and the engine crashed.
    RestartMode,
    /// An operator stopped it.
    Stop,
}

/// Where a pool is in its life, with the data of that place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    #[default]
    Stopped,
    Staging(StartCause),
    Waiting(Waiting),
    Starting(Engine),
    Ready(Serving),
    Draining(Serving, Drain),
    Stopping(Stopping),
    Ended(Ended),
    Held(Held),
}

/// One run of an engine, handed on from phase to phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) incarnation: Incarnation,
    /// `None` until the spawn is acknowledged.
    pub(crate) pid: Option<u32>,
    pub(crate) spawned: Time,
    pub(crate) ready_since: Option<Time>,
    /// Who asked for it.
    pub(crate) cause: StartCause,
    pub(crate) signs: Signs,
}

/// Who asked for a start, and so which gates it passes and what its failure counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum StartCause {
    /// An operator let this restart pass backoff, window and circuits; its failure counts for nothing.
    Allowed,
    /// An operation.
    Asked,
    /// Policy, after an end nobody asked for.
    Automatic,
    /// A reload: another spec than the committed one. Its failure counts for the reload alone.
    Candidate,
    /// A registration with autostart.
    First,
    /// A reload that failed: the committed spec again, whatever policy says.
    Rollback,
}

impl StartCause {
    /// Whether open circuits hold it up.
    pub(crate) const fn heeds_circuits(self) -> bool {
        match self {
            Self::Asked | Self::Automatic | Self::First => true,
            Self::Allowed | Self::Candidate | Self::Rollback => false,
        }
    }

    pub(crate) const fn rank(self) -> Rank {
        match self {
            Self::Rollback => Rank::Rollback,
            Self::Allowed | Self::Asked | Self::Candidate => Rank::Operator,
            Self::First => Rank::FirstStart,
            Self::Automatic => Rank::Restart,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) gates: Gates,
    pub(crate) cause: StartCause,
}

/// A healthy engine, whether it takes new work or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Serving {
    pub(crate) engine: Engine,
    pub(crate) liveness: Liveness,
    pub(crate) trouble: Trouble,
}

/// Whether a healthy engine may have lost its GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trouble {
    #[default]
    None,
    /// It logged a CUDA error; not ready until that is confirmed, or was not by then.
    Suspect { until: Time },
    /// It is confirmed: the engine is taken out of service and ended.
    Doomed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stopping {
    pub(crate) engine: Engine,
    pub(crate) cause: StopCause,
    pub(crate) ladder: Ladder,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) engine: Engine,
    pub(crate) at: Time,
    pub(crate) status: ExitStatus,
    pub(crate) stopped_for: Option<StopCause>,
    /// `None` until it was collected.
    pub(crate) report: Option<EvidenceReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Held {
    /// `look`: whether a missing file may appear, so that looking again makes sense.
    Config {
        look: bool,
    },
    NotReleased,
    Quarantine,
    /// The incarnation stays current, so that its late exit lifts the hold.
    Stuck(Stopping),
}

impl Phase {
    pub(crate) const fn name(&self) -> PhaseName {
        match self {
            Self::Stopped => PhaseName::Stopped,
            Self::Staging(_) => PhaseName::Staging,
            Self::Waiting(_) => PhaseName::Waiting,
            Self::Starting(_) => PhaseName::Starting,
            Self::Ready(_) => PhaseName::Ready,
            Self::Draining(..) => PhaseName::Draining,
            Self::Stopping(_) => PhaseName::Stopping,
            Self::Ended(_) => PhaseName::Ended,
            Self::Held(_) => PhaseName::Held,
        }
    }

    /// The engine that exists or is being made.
    pub(crate) const fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Starting(engine)
            | Self::Ready(Serving { engine, .. })
            | Self::Draining(Serving { engine, .. }, _)
            | Self::Stopping(Stopping { engine, .. })
            | Self::Held(Held::Stuck(Stopping { engine, .. })) => Some(engine),
            Self::Stopped
            | Self::Staging(_)
            | Self::Waiting(_)
            | Self::Ended(_)
            | Self::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine) => None,
        }
    }

    /// The same, to note what was seen of it.
    pub(crate) const fn engine_mut(&mut self) -> Option<&mut Engine> {
        match self {
            Self::Starting(engine)
            | Self::Ready(Serving { engine, .. })
            | Self::Draining(Serving { engine, .. }, _)
            | Self::Stopping(Stopping { engine, .. })
            | Self::Held(Held::Stuck(Stopping { engine, .. })) => Some(engine),
            Self::Stopped
            | Self::Staging(_)
            | Self::Waiting(_)
            | Self::Ended(_)
            | Self::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine) => None,
        }
    }

    /// The engine that exists, is being made, or has just ended: whom news and files are about.
    pub(crate) const fn subject(&self) -> Option<&Engine> {
        if let Self::Ended(ended) = self { Some(&ended.engine) } else { self.engine() }
    }

    /// Nothing is under way and nothing will happen by itself but the end of a hold.
    pub(crate) const fn is_at_rest(&self) -> bool {
        matches!(self, Self::Stopped | Self::Held(_))
    }
}

impl Held {
    pub(crate) const fn reason(&self) -> HoldReason {
        match self {
            Self::Config { .. } => HoldReason::Config,
            Self::NotReleased => HoldReason::NotReleased,
            Self::Quarantine => HoldReason::Quarantine,
            Self::Stuck(_) => HoldReason::Stuck,
        }
    }
}

impl From<&Engine> for EngineView {
    fn from(engine: &Engine) -> Self {
        let Engine { incarnation, pid, spawned, ready_since, cause: _, signs: _ } = *engine;
        Self { incarnation, pid, spawned, ready_since }
    }
}
