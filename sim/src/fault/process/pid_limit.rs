//! The limit of processes is reached (EAGAIN): beside so many engines none can be made, of any pool.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// For so long there is room for so many engines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidLimit {
    engines: usize,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for PidLimit {
    const MEANS: &'static str = "the host has no pid for another engine";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let engines = scene.world.processes().not_over().count();
        Some(Self {
            engines: engines.saturating_sub(stream.below(2) as usize),
            lasts: stream.span(Span::millis(100, 60_000)),
        })
    }

    fn strike(&self, world: &mut World) {
        world.run_short(self.engines, self.lasts);
    }
}
