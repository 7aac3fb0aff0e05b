//! When the driver's one timer really fires: at its deadline, or not quite.

use std::time::Duration;

use pool_manager_core::Time;
use serde::{Deserialize, Serialize};

use super::World;
use crate::plan::duration;

/// How timers fire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timers {
    /// Only when a clock ticks.
    Coarse {
        /// Between two ticks.
        #[serde(with = "duration")]
        tick: Duration,
    },
    /// Not at all for a while, and then all at once.
    Held,
    /// Later than they should.
    Late {
        /// By so much.
        #[serde(with = "duration")]
        by: Duration,
    },
    /// At their deadlines.
    #[default]
    OnTime,
}

/// How timers fire, until when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    timers: Timers,
    until: Time,
}

impl Clock {
    /// When a deadline is noticed.
    pub(super) fn fires_at(&self, deadline: Time) -> Time {
        let late = match self.timers {
            Timers::OnTime => return deadline,
            Timers::Held => self.until,
            Timers::Late { by } => deadline + by,
            Timers::Coarse { tick } => next_tick(deadline, tick),
        };
        if deadline >= self.until { deadline } else { late.min(self.until) }
    }
}

impl World {
    /// From now on timers fire like this, for so long.
    pub fn set_timers(&mut self, timers: Timers, lasts: Duration) {
        self.clock = Clock { timers, until: self.now + lasts };
    }
}

fn next_tick(deadline: Time, tick: Duration) -> Time {
    let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX).max(1);
    Time::from_nanos(deadline.as_nanos().div_ceil(tick).saturating_mul(tick))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_deadline_is_noticed_late_but_not_after_the_clock_is_well_again() {
        let clock = |timers| Clock { timers, until: at(10_000) };
        let tick = Duration::from_millis(300);
        assert_eq!(clock(Timers::Coarse { tick }).fires_at(at(301)), at(600));
        assert_eq!(clock(Timers::Coarse { tick }).fires_at(at(600)), at(600));
        assert_eq!(clock(Timers::Late { by: SECOND }).fires_at(at(1)), at(1001));
        assert_eq!(clock(Timers::Late { by: SECOND }).fires_at(at(9_500)), at(10_000));
        assert_eq!(clock(Timers::Held).fires_at(at(1)), at(10_000));
        assert_eq!(clock(Timers::Held).fires_at(at(10_001)), at(10_001));
        assert_eq!(clock(Timers::OnTime).fires_at(at(1)), at(1));
    }
}
