//! An operator restarts a pool.

use std::time::Duration;

use pool_manager_core::Verb;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// A restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRestart {
    pool: Place,
}

impl Strikes for OperatorRestart {
    const MEANS: &'static str = "an operator restarts a pool";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)? })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.order([(pool, Verb::Restart)]);
    }
}
