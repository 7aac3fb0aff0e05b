//! Times to live that clients ask for, sensible or not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::Stream;

/// A time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ttl {
    /// More years than a clock counts.
    Absurd,
    /// A hundred years.
    Century,
    /// The pool's own.
    Default,
    /// Until the engine ends.
    Engine,
    /// One minute.
    Minute,
    /// One nanosecond.
    Nanosecond,
    /// Half a second.
    Short,
}

impl Ttl {
    pub(crate) fn draw(stream: &mut Stream) -> Self {
        let all = [
            Self::Absurd,
            Self::Century,
            Self::Default,
            Self::Engine,
            Self::Minute,
            Self::Nanosecond,
            Self::Short,
        ];
        *stream.pick(&all).unwrap_or(&Self::Default)
    }

    /// As it is asked for.
    pub(crate) const fn span(self) -> Option<Duration> {
        match self {
            Self::Absurd => Some(Duration::MAX),
            Self::Century => Some(Duration::from_secs(100 * 365 * 86_400)),
            Self::Default => None,
            Self::Engine => Some(Duration::ZERO),
            Self::Minute => Some(Duration::from_secs(60)),
            Self::Nanosecond => Some(Duration::from_nanos(1)),
            Self::Short => Some(Duration::from_millis(500)),
        }
    }
}
