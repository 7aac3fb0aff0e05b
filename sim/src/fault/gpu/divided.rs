//! A GPU is divided anew (MIG), or its number is another one: who looks for it finds nothing, and nobody reported an error. What runs on it runs on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::gpu::Ailment;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// A device is not there for a while, without a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutChanged {
    device: String,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for LayoutChanged {
    const MEANS: &'static str = "a GPU is divided anew";
    const EVERY: Duration = Duration::from_secs(250);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { device: scene.device(stream)?, lasts: stream.span(Span::millis(100, 80_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.ail_gpu(&self.device, Ailment::Gone, self.lasts);
    }
}
