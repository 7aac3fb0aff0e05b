//! The order of the GPUs changes: two numbers stand for each other's device.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Two devices have each other's name for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderChanged {
    one: String,
    other: String,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for OrderChanged {
    const MEANS: &'static str = "the order of GPUs changes";
    const EVERY: Duration = Duration::from_secs(250);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let (one, other) = (scene.device(stream)?, scene.device(stream)?);
        Some(Self { one, other, lasts: stream.span(Span::millis(1000, 120_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.swap_gpus(&self.one, &self.other, self.lasts);
    }
}
