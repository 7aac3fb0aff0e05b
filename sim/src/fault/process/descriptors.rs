//! The host is out of descriptors (ENFILE) for a while: no engine of any pool can be made.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// For so long no engine can be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptors {
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for Descriptors {
    const MEANS: &'static str = "the host is out of descriptors";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        // Drawn where there is a pool: without one nobody would notice.
        scene.any(stream)?;
        Some(Self { lasts: stream.span(Span::millis(100, 30_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.run_short(0, self.lasts);
    }
}
