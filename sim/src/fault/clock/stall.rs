//! The supervisor alone stands still (C4): stopped, frozen, or short of processor time. What happened meanwhile reaches it late.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// For so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverStall {
    #[serde(with = "duration")]
    by: Duration,
}

impl Strikes for DriverStall {
    const MEANS: &'static str = "the supervisor stands still";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { by: stream.span(Span::millis(2000, 20_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.stall(self.by);
    }
}
