//! An operator drains a pool, patiently or not.

use std::time::Duration;

use pool_manager_core::Verb;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// A drain with this deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorDrain {
    pool: Place,
    #[serde(with = "duration")]
    deadline: Duration,
}

impl Strikes for OperatorDrain {
    const MEANS: &'static str = "an operator drains a pool";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let deadline = if stream.one_in(4) { Duration::ZERO } else { stream.span(Span::millis(1, 20_000)) };
        Some(Self { pool: scene.any(stream)?, deadline })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.command(pool, Verb::Drain { deadline: Some(self.deadline) });
    }
}
