//! The supervisor dies right before or after an effect that changes the world (X2): a process that was made and never
//! heard of, a signal that was sent or not, a file, an answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::crash::{down_time, start};
use crate::fault::{Scene, Strikes};
use crate::random::Stream;
use crate::world::{Crash, CrashPoint, EffectKind, World};

/// A crash beside an effect of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorCrashAt {
    #[serde(flatten)]
    crash: Crash,
}

impl Strikes for SupervisorCrashAt {
    const MEANS: &'static str = "the supervisor dies right beside an effect of one kind";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(1);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let kind = *stream.pick(&EffectKind::ACTS)?;
        let point = if stream.one_in(3) { CrashPoint::Before(kind) } else { CrashPoint::After(kind) };
        Some(Self { crash: Crash { point, down_for: down_time(stream), next: start(stream), again: 0 } })
    }

    fn strike(&self, world: &mut World) {
        world.crash_supervisor(self.crash.clone());
    }
}
