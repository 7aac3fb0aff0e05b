//! Somebody else uses a GPU's memory: who loads meanwhile waits, or finds no room where the look came too early.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::gpu::Ailment;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// A stranger's memory is on a device for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryTaken {
    device: String,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for MemoryTaken {
    const MEANS: &'static str = "a stranger uses a GPU's memory";
    const EVERY: Duration = Duration::from_secs(150);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let long = if stream.one_in(3) { 90_000 } else { 10_000 };
        Some(Self { device: scene.device(stream)?, lasts: stream.span(Span::millis(100, long)) })
    }

    fn strike(&self, world: &mut World) {
        world.ail_gpu(&self.device, Ailment::Crowded, self.lasts);
    }
}
