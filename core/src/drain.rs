//! Drain: waiting for the work in flight, up to a deadline. It ends emptied, at the deadline, or
//! with the engine; its owner decides the rest.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A drain that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drain {
    started: Time,
    deadline: Time,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainEnd {
    Deadline,
    Emptied,
    EngineExited,
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
