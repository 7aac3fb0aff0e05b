//! An operator reloads a pool: to a good model, a broken one, one that takes its time, back, or the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::word::Asked;
use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// A reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorReload {
    pool: Place,
    #[serde(flatten)]
    asked: Asked,
}

impl Strikes for OperatorReload {
    const MEANS: &'static str = "an operator reloads a pool";
    const EVERY: Duration = Duration::from_secs(45);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)?, asked: Asked::draw(stream) })
    }

    fn strike(&self, world: &mut World) {
        let (Some(pool), Some(verb)) = (world.at(self.pool), self.asked.verb(world, self.pool)) else {
            return;
        };
        world.order([(pool, verb)]);
    }
}
