//! What a look says of a GPU's memory is old: it finds room where a load finds none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::gpu::Ailment;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Reports of a device's memory are stale for a while, and somebody else's memory is on it for a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleReport {
    device: String,
    #[serde(with = "duration")]
    lasts: Duration,
    /// Somebody else's memory is on it so long.
    #[serde(with = "duration")]
    taken: Duration,
}

impl Strikes for StaleReport {
    const MEANS: &'static str = "a GPU's free memory is reported stale";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let lasts = stream.span(Span::millis(1000, 60_000));
        let taken = stream.span(Span { from: Duration::ZERO, to: lasts });
        Some(Self { device: scene.device(stream)?, lasts, taken })
    }

    fn strike(&self, world: &mut World) {
        world.ail_gpu(&self.device, Ailment::Unseen, self.lasts);
        world.ail_gpu(&self.device, Ailment::Crowded, self.taken);
    }
}
