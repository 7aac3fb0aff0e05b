//! A bit of the journal flips, and then the supervisor dies (D3, D6): what cannot be replayed is set aside with a clear
//! error, and the Facts, or the segment before, tell what was.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::random::{Span, Stream};
use crate::world::{Crash, CrashPoint, Start, Version, World};

/// One bit, and a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalCorrupt {
    /// So far into the last segment.
    place_thousandths: u32,
    /// Of its byte, 0 to 7.
    bit: u8,
    crash: Crash,
}

impl Strikes for JournalCorrupt {
    const MEANS: &'static str = "a bit of the journal flips before the supervisor dies";
    const EVERY: Duration = Duration::from_secs(240);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let place_thousandths = if stream.one_in(3) { 999 } else { stream.below(1000) };
        let bit = u8::try_from(stream.below(8)).unwrap_or(0);
        let version = if stream.one_in(5) { Version::Other } else { Version::Same };
        let next = Start { version, ..Start::default() };
        let crash =
            Crash { point: CrashPoint::AtRest, down_for: stream.span(Span::millis(0, 5000)), next, again: 0 };
        Some(Self { place_thousandths, bit, crash })
    }

    fn strike(&self, world: &mut World) {
        world.corrupt_journal(self.place_thousandths, self.bit);
        world.crash_supervisor(self.crash.clone());
    }
}
