//! An operator starts a pool; the one who stopped it may be another.

use std::time::Duration;

use pool_manager_core::{PhaseName, Verb};
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// A preload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorPreload {
    pool: Place,
}

impl Strikes for OperatorPreload {
    const MEANS: &'static str = "an operator preloads a pool";
    const EVERY: Duration = Duration::from_secs(30);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.pick(stream, |pool| pool.phase != PhaseName::Ready)? })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.order([(pool, Verb::Preload)]);
    }
}
