//! A load that never ends: the engine lives, says that it loads, and goes on saying so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::random::Stream;
use crate::world::World;

/// The next starts of a pool never get further than loading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndlessLoad {
    pool: Place,
    times: u32,
}

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

impl Strikes for EndlessLoad {
    const MEANS: &'static str = "the loads of an engine never end";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)?, times: times(stream) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let start = BadStart { loads_for: Some(FOR_EVER), ..BadStart::default() };
        world.slow_load(pool, FOR_EVER);
        world.spoil_starts(pool, self.times, &start);
    }
}
