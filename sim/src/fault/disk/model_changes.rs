//! Somebody puts another model into the place of a pool's (D8): the same spec is other bytes from now on.

use std::time::Duration;

use pool_manager_core::ModelStamp;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// Other bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChanges {
    pool: Place,
    stamp: u32,
}

impl Strikes for ModelChanges {
    const MEANS: &'static str = "the model of a pool becomes another one";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)?, stamp: stream.below(u32::MAX) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.change_model(pool, ModelStamp(self.stamp.into()));
    }
}
