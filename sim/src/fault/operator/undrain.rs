//! An operator takes a drain back, in time or too late.

use std::time::Duration;

use pool_manager_core::{PhaseName, Verb};
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// An undrain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorUndrain {
    pool: Place,
}

impl Strikes for OperatorUndrain {
    const MEANS: &'static str = "an operator takes a drain back";
    const EVERY: Duration = Duration::from_secs(20);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self {
            pool: scene
                .pick(stream, |pool| matches!(pool.phase, PhaseName::Draining | PhaseName::Stopping))?,
        })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.order([(pool, Verb::Undrain)]);
    }
}
