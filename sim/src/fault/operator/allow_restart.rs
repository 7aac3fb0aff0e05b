//! An operator lets the next automatic start pass, whether one is due or not.

use std::time::Duration;

use pool_manager_core::Verb;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// An allow-restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorAllow {
    pool: Place,
}

impl Strikes for OperatorAllow {
    const MEANS: &'static str = "an operator allows one restart";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)? })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.order([(pool, Verb::AllowRestart)]);
    }
}
