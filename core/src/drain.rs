//! Drain: waiting for the work in flight, up to a deadline. It ends with the step that ends the last
//! lease, or with the timer of its deadline, unless the engine ends under it; its owner decides the rest.
//!
//! Only the timer looks at the clock: a driver's turn takes lease ends before timers, so all leases that
//! ended in the deadline's own turn ended in time, whatever the time says when they are fed.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A drain that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drain {
    started: Time,
    deadline: Time,
}

impl Drain {
    pub(crate) fn begin(now: Time, patience: Duration) -> Self {
        Self { started: now, deadline: now + patience }
    }

    /// Another owner goes on with it, under its own deadline.
    pub(crate) fn taken_over(self, now: Time, patience: Duration) -> Self {
        Self { deadline: now + patience, ..self }
    }

    /// A second drain joins: the earlier deadline wins.
    pub(crate) fn join(self, now: Time, patience: Duration) -> Self {
        Self { deadline: self.deadline.min(now + patience), ..self }
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
    fn the_earlier_deadline_wins() {
        let drain = Drain::begin(Time::ZERO, SECOND * 5);
        assert_eq!(drain.join(Time::ZERO, SECOND).deadline(), Time::ZERO + SECOND);
        assert_eq!(drain.join(Time::ZERO, SECOND * 60).deadline(), Time::ZERO + SECOND * 5);
    }

    #[test]
    fn its_beginning_stays_whoever_joins_or_takes_over() {
        let drain = Drain::begin(Time::ZERO + SECOND, SECOND * 5);
        let later = Time::ZERO + SECOND * 3;
        for drain in [drain, drain.join(later, SECOND), drain.taken_over(later, SECOND * 9)] {
            assert_eq!(drain.started(), Time::ZERO + SECOND);
        }
    }
}
