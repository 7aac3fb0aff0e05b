//! No memory for another process (ENOMEM), some times in a row.

use std::time::Duration;

use pool_manager_core::SpawnError;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::random::Stream;
use crate::world::World;

/// The next starts of a pool are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoMemory {
    pool: Place,
    times: u32,
}

impl Strikes for NoMemory {
    const MEANS: &'static str = "no memory for another process";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)?, times: times(stream) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let start = BadStart { refused: Some(SpawnError::NoResources), ..BadStart::default() };
        world.spoil_starts(pool, self.times, &start);
    }
}
