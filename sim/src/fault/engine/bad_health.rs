//! Health that is bad for a while: no answer at all, or an HTTP error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::EngineHealth;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine answers with this status for so long; 0: not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadHealth {
    pool: Place,
    status: u16,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for BadHealth {
    const MEANS: &'static str = "the health of an engine is bad for a while";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let status = *stream.pick(&[0, 0, 404, 500, 503])?;
        Some(Self { pool: scene.with_engine(stream)?, status, lasts: stream.span(Span::millis(500, 60_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let health = if self.status == 0 { EngineHealth::Hangs } else { EngineHealth::Status(self.status) };
        world.ail(pool, health, self.lasts);
    }
}
