//! Operations: the long-running commands on a pool, their precedence, and their kept outcomes.
//!
//! A pool runs at most one. A higher one supersedes it, a lower one is refused, an equal one joins
//! where that makes sense.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{Correlation, LeaseId, OperationId, PoolUid};
use crate::time::Time;
use crate::verdict::Verdict;

/// The kinds, lowest precedence first: the order of the variants is the precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Start, and say when Ready.
    Preload,
    /// Drain, then start afresh.
    Restart,
    /// Another model.
    Reload,
    /// Drain, then stop.
    Drain,
    /// Stop now.
    Stop,
    /// Drain, then forget the pool.
    Deregister,
    /// The supervisor goes down.
    Shutdown,
}

impl OperationKind {
    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Preload => "preload",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Drain => "drain",
            Self::Stop => "stop",
            Self::Deregister => "deregister",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether it ends well when the engine is ready, and badly when a start fails.
    #[must_use]
    pub const fn waits_for_ready(self) -> bool {
        match self {
            Self::Preload | Self::Restart | Self::Reload => true,
            Self::Drain | Self::Stop | Self::Deregister | Self::Shutdown => false,
        }
    }

    /// Whether it puts another engine in the place of the one that serves. Its drain is given up at
    /// the deadline, and whoever asks for a lease meanwhile hears `reloading`.
    #[must_use]
    pub const fn replaces_engine(self) -> bool {
        match self {
            Self::Restart | Self::Reload => true,
            Self::Preload | Self::Drain | Self::Stop | Self::Deregister | Self::Shutdown => false,
        }
    }

    /// What becomes of `self` when it is asked while `running` runs.
    #[must_use]
    pub const fn meets(self, running: Self) -> Meeting {
        if self as u8 > running as u8 {
            return Meeting::Supersedes;
        }
        if (self as u8) < running as u8 {
            return Meeting::Refused;
        }
        match self {
            Self::Drain | Self::Stop | Self::Deregister | Self::Shutdown | Self::Preload => Meeting::Joins,
            Self::Reload | Self::Restart => Meeting::Refused,
        }
    }
}

/// What becomes of an operation that meets a running one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Its caller waits for the running one.
    Joins,
    /// Its caller hears `busy`.
    Refused,
    /// The running one ends as superseded.
    Supersedes,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What was asked came about.
    Completed,
    /// The engine ended by itself during the drain; it is not restarted.
    EngineExited {
        /// Leases that went with it.
        lost: Vec<LeaseId>,
    },
    /// The start did not lead to Ready, or the reload was given up; supervision goes on under policy.
    Failed {
        /// Why.
        verdict: Box<Verdict>,
        /// What else failed: the engine that was to be replaced, or the start of the old one after it.
        also: Option<Box<Verdict>>,
    },
    /// The drain's deadline passed: the rest was cut and the engine stopped.
    ForceStopped {
        /// Leases we ended.
        cut: Vec<LeaseId>,
    },
    /// The supervisor was replaced by another version meanwhile; what became of it is for supervision.
    Interrupted,
    /// The new model did not become ready; the old one serves again.
    RolledBack {
        /// Why the new one did not.
        verdict: Box<Verdict>,
    },
    /// A higher operation took over.
    Superseded {
        /// Which.
        by: OperationKind,
    },
    /// The engine outlived KILL.
    Stuck,
    /// The drain's deadline passed and the operation was given up; the engine was not touched.
    TimedOut,
    /// The drain was taken back.
    Undrained,
}

impl Outcome {
    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::EngineExited { .. } => "engine_exited",
            Self::Failed { .. } => "failed",
            Self::ForceStopped { .. } => "force_stopped",
            Self::Interrupted => "interrupted",
            Self::RolledBack { .. } => "rolled_back",
            Self::Superseded { .. } => "superseded",
            Self::Stuck => "stuck",
            Self::TimedOut => "timed_out",
            Self::Undrained => "undrained",
        }
    }
}

/// One operation, running or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its number, host-wide.
    pub id: OperationId,
    /// Its kind.
    pub kind: OperationKind,
    /// On which pool.
    pub pool: PoolUid,
    /// The command that began it.
    pub correlation: Correlation,
    /// When it began.
    pub started: Time,
    /// When and how it ended.
    pub ended: Option<(Time, Outcome)>,
}

/// The last outcomes of a host, oldest dropped first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcomes {
    kept: VecDeque<Operation>,
}

impl Outcomes {
    /// As many ended operations can be asked for.
    pub(crate) const KEPT: usize = 1000;

    pub(crate) fn keep(&mut self, ended: Operation) {
        if self.kept.len() == Self::KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(ended);
    }

    pub(crate) fn find(&self, id: OperationId) -> Option<&Operation> {
        self.kept.iter().rev().find(|operation| operation.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_outcomes_are_kept() {
        let mut outcomes = Outcomes::default();
        for n in 0..1001 {
            outcomes.keep(Operation {
                id: OperationId(n),
                kind: OperationKind::Stop,
                pool: PoolUid(1),
                correlation: Correlation([0, 0]),
                started: Time::ZERO,
                ended: Some((Time::ZERO, Outcome::Completed)),
            });
        }
        assert_eq!(outcomes.find(OperationId(0)), None);
        assert!(outcomes.find(OperationId(1)).is_some());
    }

    #[test]
    fn precedence_is_total_and_equals_join_or_are_refused() {
        use OperationKind::{Deregister, Drain, Preload, Reload, Restart, Shutdown, Stop};
        let order = [Preload, Restart, Reload, Drain, Stop, Deregister, Shutdown];
        for (low, running) in order.iter().enumerate() {
            for (high, asked) in order.iter().enumerate() {
                let expected = match high.cmp(&low) {
                    core::cmp::Ordering::Greater => Meeting::Supersedes,
                    core::cmp::Ordering::Less => Meeting::Refused,
                    core::cmp::Ordering::Equal if matches!(asked, Reload | Restart) => Meeting::Refused,
                    core::cmp::Ordering::Equal => Meeting::Joins,
                };
                assert_eq!(asked.meets(*running), expected, "{asked:?} meets {running:?}");
            }
        }
    }
}
