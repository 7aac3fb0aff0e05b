//! What lies between the executors and the core, and may be slow, or lose something: answers that come late or
//! never, exits that are noticed all at once.
//!
//! Answers about files are not here: what a sick disk does is `disk`'s. A spawn's answer is never lost: it is the
//! one answer that the core cannot do without, and its executor is written for that.

use std::time::Duration;

use pool_manager_core::Time;

use super::{Occurrence, World};

/// The state of that path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Adapters {
    late_by: Duration,
    late_until: Time,
    /// So many answers are lost yet.
    lose: u32,
    /// Exits are noticed no sooner.
    pub(super) exits_held_until: Time,
}

impl World {
    /// From now on every answer of an executor comes so much later, for so long.
    pub fn delay_answers(&mut self, by: Duration, lasts: Duration) {
        (self.adapters.late_by, self.adapters.late_until) = (by, self.now + lasts);
    }

    /// The next so many answers of executors are lost.
    pub fn lose_answers(&mut self, number: u32) {
        self.adapters.lose = number;
    }

    /// Exits are noticed only when this time is over, all at once.
    pub fn hold_exits(&mut self, lasts: Duration) {
        self.adapters.exits_held_until = self.now + lasts;
    }

    /// What becomes of an occurrence that is due: `None`: it is lost, or comes later.
    pub(super) fn passes(&mut self, occurrence: Occurrence) -> Option<Occurrence> {
        if let Occurrence::Late(late) = occurrence {
            return Some(*late);
        }
        if !occurrence.is_answer() {
            return Some(occurrence);
        }
        if self.adapters.lose > 0 && !matches!(occurrence, Occurrence::SpawnLands { .. }) {
            self.adapters.lose -= 1;
            return None;
        }
        if self.adapters.late_until > self.now && !self.adapters.late_by.is_zero() {
            let at = self.now + self.adapters.late_by;
            self.agenda.file(at, Occurrence::Late(Box::new(occurrence)));
            return None;
        }
        Some(occurrence)
    }
}
