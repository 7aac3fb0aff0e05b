//! An operator stops a pool now; what is in flight is cut.

use std::time::Duration;

use pool_manager_core::Verb;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// A stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorStop {
    pool: Place,
}

impl Strikes for OperatorStop {
    const MEANS: &'static str = "an operator stops a pool";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)? })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.order([(pool, Verb::Stop)]);
    }
}
