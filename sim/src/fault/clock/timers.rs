//! The driver's timer fires when it likes: late (C4), by coarse ticks (C3), or all deadlines of a while at one instant (C5).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::{Timers, World};

/// Timers fire late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimersLate {
    timers: Timers,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for TimersLate {
    const MEANS: &'static str = "timers fire late, by coarse ticks, or all at once";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(15);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let timers = match stream.below(3) {
            0 => Timers::Late { by: stream.span(Span::millis(1, 2000)) },
            1 => Timers::Coarse { tick: stream.span(Span::millis(10, 1000)) },
            _ => Timers::Held,
        };
        let longest = if timers == Timers::Held { 2000 } else { 60_000 };
        Some(Self { timers, lasts: stream.span(Span::millis(100, longest)) })
    }

    fn strike(&self, world: &mut World) {
        world.set_timers(self.timers, self.lasts);
    }
}
