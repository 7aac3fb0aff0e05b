//! The host loses power: every process is gone, and so is the end of the journal that was not synced, torn at any byte.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::random::{Span, Stream};
use crate::world::{Crash, CrashPoint, InFlight, Start, Version, World};

/// A power cut, a boot, and a start of the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerLoss {
    /// So much of what was not synced is lost.
    tail_lost_thousandths: u32,
    start: Crash,
}

impl Strikes for PowerLoss {
    const MEANS: &'static str = "the host loses power and boots again";
    const EVERY: Duration = Duration::from_secs(240);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let version = if stream.one_in(6) { Version::Other } else { Version::Same };
        let in_flight = if stream.one_in(2) { InFlight::Done } else { InFlight::Lost };
        let next = Start { version, in_flight, ..Start::default() };
        let down_for = stream.span(Span::millis(5000, 60_000));
        let tail_lost_thousandths = if stream.one_in(4) { 1000 } else { stream.below(1001) };
        let start = Crash { point: CrashPoint::AtRest, down_for, next, again: 0 };
        Some(Self { tail_lost_thousandths, start })
    }

    fn strike(&self, world: &mut World) {
        world.lose_power(self.tail_lost_thousandths, self.start.clone());
    }
}
