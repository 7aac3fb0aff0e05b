//! A GPU is too hot or short of power: loads take several times as long on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::gpu::Ailment;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Loads on a device are slow for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttled {
    device: String,
    /// So many times as long.
    times: u32,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for Throttled {
    const MEANS: &'static str = "a GPU is throttled";
    const EVERY: Duration = Duration::from_secs(150);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let times = 2 + stream.below(9);
        Some(Self { device: scene.device(stream)?, times, lasts: stream.span(Span::millis(1000, 120_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.ail_gpu(&self.device, Ailment::Slow(self.times), self.lasts);
    }
}
