//! Health that says 503 while the engine has work: an endpoint that asks for a free slot, or generates a token itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::EngineHealth;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine answers 503 as long as it has leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusyUnhealthy {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for BusyUnhealthy {
    const MEANS: &'static str = "health says 503 while an engine is busy";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(1_000, 120_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.ail(pool, EngineHealth::Busy, self.lasts);
    }
}
