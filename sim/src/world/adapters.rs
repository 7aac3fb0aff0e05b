//! What lies between the executors and the core, and may be slow, or lose something: answers that come late or
//! never, exits that are noticed all at once.
//!
//! Answers about files are not here: what a sick disk does is `disk`'s. A spawn's answer is never lost: it is the
//! one answer that the core cannot do without, and its executor is written for that.

use std::time::Duration;

use pool_manager_core::{Completion, Time};
use serde::{Deserialize, Serialize};

use super::{Occurrence, World};

/// Who answers the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executor {
    /// Finds out why an engine ended.
    Evidence,
    /// Asks engines how they are.
    Probe,
    /// Looks whether GPUs and ports are free.
    Release,
    /// Makes engines.
    Spawn,
    /// Makes models present, and says what that takes.
    Stage,
}

/// The state of that path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Adapters {
    late_by: Duration,
    late_until: Time,
    /// Whose answers are late; `None`: everybody's.
    late_of: Option<Executor>,
    /// So many answers are lost yet.
    lose: u32,
    /// Exits are noticed no sooner.
    pub(super) exits_held_until: Time,
}

impl World {
    /// From now on every answer of an executor, or of all of them, comes so much later, for so long.
    pub fn delay_answers(&mut self, of: Option<Executor>, by: Duration, lasts: Duration) {
        (self.adapters.late_of, self.adapters.late_by) = (of, by);
        self.adapters.late_until = self.now + lasts;
    }

    /// The next so many answers of executors are lost.
    pub fn lose_answers(&mut self, number: u32) {
        self.adapters.lose = number;
    }

    /// Exits are noticed only when this time is over, all at once.
    pub fn hold_exits(&mut self, lasts: Duration) {
        self.adapters.exits_held_until = self.now + lasts;
    }

    /// Nothing is late any more; what is on its way is there now.
    pub(super) fn heal_adapters(&mut self) {
        self.adapters = Adapters::default();
        for late in self.agenda.take_all(|occurrence| matches!(occurrence, Occurrence::Late(_))) {
            self.agenda.file(self.now, late);
        }
    }

    /// What becomes of an occurrence that is due: `None`: it is lost, or comes later.
    pub(super) fn passes(&mut self, occurrence: Occurrence) -> Option<Occurrence> {
        if let Occurrence::Late(late) = occurrence {
            return Some(*late);
        }
        let Some(executor) = occurrence.answered_by() else { return Some(occurrence) };
        if self.adapters.lose > 0 && !matches!(occurrence, Occurrence::SpawnLands { .. }) {
            self.adapters.lose -= 1;
            return None;
        }
        let Adapters { late_by, late_until, late_of, .. } = self.adapters;
        if late_until > self.now && !late_by.is_zero() && late_of.is_none_or(|late| late == executor) {
            let at = self.now + late_by;
            self.agenda.file(at, Occurrence::Late(Box::new(occurrence)));
            return None;
        }
        Some(occurrence)
    }
}

impl Occurrence {
    /// Who answers the core with it; `None`: it is no answer, or one that the disk may be sick of.
    const fn answered_by(&self) -> Option<Executor> {
        match self {
            Self::Completes { result, .. } => match result {
                Completion::Evidence(_) => Some(Executor::Evidence),
                Completion::Probed(_) => Some(Executor::Probe),
                Completion::Released(_) => Some(Executor::Release),
                Completion::Spawned(_) => Some(Executor::Spawn),
                Completion::FileDone(_) => None,
                Completion::Preflighted(_) | Completion::Staged(_) => Some(Executor::Stage),
            },
            Self::EvidenceLands { .. } => Some(Executor::Evidence),
            Self::ProbeLands { .. } => Some(Executor::Probe),
            Self::ReleaseLands { .. } => Some(Executor::Release),
            Self::SpawnLands { .. } => Some(Executor::Spawn),
            Self::StageLands { .. } | Self::StageMoves { .. } => Some(Executor::Stage),
            Self::Answers { .. }
            | Self::Arrives(_)
            | Self::ClientAsks(_)
            | Self::ClientEnds(_)
            | Self::ClientRenews(_)
            | Self::EngineDies { .. }
            | Self::ExitSeen { .. }
            | Self::Late(_)
            | Self::LineRead { .. }
            | Self::Logs { .. }
            | Self::OperatorActs
            | Self::OperatorSends { .. }
            | Self::PidIsFree { .. }
            | Self::ProcessEnds { .. }
            | Self::RemovalLands { .. }
            | Self::SupervisorStarts(_)
            | Self::Thaws { .. }
            | Self::WorkerEnds { .. }
            | Self::WorkersBegin { .. }
            | Self::WriteLands { .. } => None,
        }
    }
}
