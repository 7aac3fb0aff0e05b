//! Time as the core knows it: one monotonic clock that counts suspend, given in from outside.
//!
//! The runtime feeds CLOCK_BOOTTIME, the simulator its virtual clock. Wall time never decides
//! anything and so has no type here.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant in nanoseconds on the host's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);
    /// Later than any instant a clock reaches: 584 years.
    pub const NEVER: Self = Self(u64::MAX);

    /// An instant from nanoseconds since the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The time left until `self`, seen from `now`; zero when it has passed.
    #[must_use]
    pub const fn left(self, now: Self) -> Duration {
        self.since(now)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates at [`Time::NEVER`].
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    /// Saturates at [`Time::ZERO`].
    fn sub(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

impl fmt::Display for Time {
    /// Seconds with milliseconds, as log lines show it: `12.500s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000_000;
        write!(f, "{}.{:03}s", millis / 1000, millis % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
        assert_eq!(Time::ZERO - Duration::from_secs(1), Time::ZERO);
        assert_eq!(Time::ZERO.since(Time::NEVER), Duration::ZERO);
    }

    #[test]
    fn displays_seconds_and_milliseconds() {
        assert_eq!(alloc::format!("{}", Time::from_nanos(12_500_999_999)), "12.500s");
    }

    #[test]
    fn a_span_earlier_is_earlier_by_that_span() {
        assert_eq!(Time::from_nanos(10) - Duration::from_nanos(3), Time::from_nanos(7));
        assert_eq!(Time::from_nanos(10) - Duration::from_nanos(30), Time::ZERO);
    }
}
