//! An operator takes a pool out of the configuration. Who registers it again is another.

use std::time::Duration;

use pool_manager_core::Verb;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// A deregister.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorDeregister {
    pool: Place,
}

impl Strikes for OperatorDeregister {
    const MEANS: &'static str = "an operator deregisters a pool";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)? })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.order([(pool, Verb::Deregister)]);
    }
}
