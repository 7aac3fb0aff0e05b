//! Drain: waiting for the work in flight, up to a deadline. It ends emptied or at the deadline, unless
//! the engine ends under it; its owner decides the rest.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A drain that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drain {
    started: Time,
    deadline: Time,
}

/// How a drain ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainEnd {
    Deadline,
    Emptied,
}

impl Drain {
    pub(crate) fn begin(now: Time, patience: Duration) -> Self {
        Self { started: now, deadline: now + patience }
    }

    /// A second drain joins: the earlier deadline wins.
    pub(crate) fn join(self, now: Time, patience: Duration) -> Self {
        Self { deadline: self.deadline.min(now + patience), ..self }
    }

    /// Whether it is over, given the leases left. A lease that ends at the deadline's own instant
    /// ended in time, because the driver feeds ends before timers.
    pub(crate) fn end(self, now: Time, leases_active: u32) -> Option<DrainEnd> {
        if leases_active == 0 {
            Some(DrainEnd::Emptied)
        } else if now >= self.deadline {
            Some(DrainEnd::Deadline)
        } else {
            None
        }
    }

    pub(crate) const fn deadline(self) -> Time {
        self.deadline
    }

    pub(crate) const fn started(self) -> Time {
        self.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_that_ends_in_the_deadlines_own_instant_ended_in_time() {
        let drain = Drain::begin(Time::ZERO, SECOND);
        assert_eq!(drain.end(Time::ZERO + SECOND, 0), Some(DrainEnd::Emptied));
        assert_eq!(drain.end(Time::ZERO + SECOND, 1), Some(DrainEnd::Deadline));
        assert_eq!(drain.end(Time::ZERO, 1), None);
    }

    #[test]
    fn the_earlier_deadline_wins() {
        let drain = Drain::begin(Time::ZERO, SECOND * 5);
        assert_eq!(drain.join(Time::ZERO, SECOND).deadline(), Time::ZERO + SECOND);
        assert_eq!(drain.join(Time::ZERO, SECOND * 60).deadline(), Time::ZERO + SECOND * 5);
    }
}
