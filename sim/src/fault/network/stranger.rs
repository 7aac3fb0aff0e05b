//! A process that is not the engine answers on its port: both listen there.

use std::time::Duration;

use pool_manager_core::ProbeAnswer;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Another process answers for the engine of a pool for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignAnswer {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for ForeignAnswer {
    const MEANS: &'static str = "a stranger answers for an engine";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 20_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Answers(ProbeAnswer::Stranger), self.lasts);
    }
}
