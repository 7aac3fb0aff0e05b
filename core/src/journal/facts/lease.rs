//! Leases in Facts: totals, and those in flight. Read the rules in the parent module.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::engine::IncarnationFacts;
use super::if_known;
use crate::id::{Incarnation, LeaseId};
use crate::input::Priority;

/// Who uses the engine of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaseFacts {
    /// All that were granted.
    pub granted: u64,
    /// Ended by their holders.
    pub completed: u64,
    /// Ended by their time to live.
    pub expired: u64,
    /// Ended by us.
    pub cut: u64,
    /// Gone with their engine.
    pub lost: u64,
    /// The highest sequence given out.
    pub issued: u64,
    /// Asks that waited; each may have been granted since.
    pub queued: u64,
    /// Asks recorded since, each of which may have been granted. Zero when written; the reader counts them.
    pub asked_since: u64,
    /// Those that are in flight, by sequence.
    pub active: Vec<ActiveLeaseFacts>,
}

/// A lease in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveLeaseFacts {
    /// Its number within the pool.
    pub sequence: u64,
    /// The engine that does the work.
    pub incarnation: IncarnationFacts,
    /// The token of its holder.
    pub holder: [u64; 2],
    /// Which queue it came through.
    #[serde(deserialize_with = "if_known")]
    pub priority: Option<Priority>,
    /// When it was granted.
    pub granted_nanos: u64,
    /// When it expires; `None`: when the incarnation ends.
    pub expires_nanos: Option<u64>,
}

impl ActiveLeaseFacts {
    pub(in crate::journal) const fn is(&self, lease: LeaseId) -> bool {
        let Incarnation { epoch, n } = lease.engine.incarnation;
        self.sequence == lease.sequence && self.incarnation.epoch == epoch && self.incarnation.n == n
    }
}

impl LeaseFacts {
    /// No lease of the pool has a higher sequence.
    #[must_use]
    pub const fn sequence_high_water(&self) -> u64 {
        let known = if self.issued > self.granted { self.issued } else { self.granted };
        known.saturating_add(self.queued).saturating_add(self.asked_since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_have_been_given_out_is_below_the_high_water() {
        let book = |issued, granted, queued, asked_since| {
            let facts = LeaseFacts { issued, granted, queued, asked_since, ..LeaseFacts::default() };
            facts.sequence_high_water()
        };
        assert_eq!([book(5, 3, 0, 0), book(3, 5, 0, 0), book(5, 3, 2, 10)], [5, 5, 17]);
        assert_eq!(book(u64::MAX, 3, 2, 10), u64::MAX);
    }
}
