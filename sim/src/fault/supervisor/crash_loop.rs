//! The supervisor dies again and again, each time in the middle of what its start has to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::crash::start;
use crate::fault::{Scene, Strikes};
use crate::random::{Span, Stream};
use crate::world::{Crash, CrashPoint, World};

/// Several crashes in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorCrashLoop {
    #[serde(flatten)]
    crash: Crash,
}

impl Strikes for SupervisorCrashLoop {
    const MEANS: &'static str = "the supervisor dies several times in a row";
    const EVERY: Duration = Duration::from_secs(180);
    const QUIET: Duration = Duration::from_secs(30);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let point = match stream.below(3) {
            0 => CrashPoint::AtRest,
            1 => CrashPoint::InputJournaled,
            _ => CrashPoint::AfterEffects(1 + stream.below(30)),
        };
        let (down_for, again) = (stream.span(Span::millis(0, 1000)), 1 + stream.below(6));
        Some(Self { crash: Crash { point, down_for, next: start(stream), again } })
    }

    fn strike(&self, world: &mut World) {
        world.crash_supervisor(self.crash.clone());
    }
}
