//! Health that answers slowly, around the probe's own time-out and beyond it: a server whose loop is busy with tokens.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::EngineHealth;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine takes so long to answer a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowHealth {
    pool: Place,
    #[serde(with = "duration")]
    by: Duration,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for SlowHealth {
    const MEANS: &'static str = "an engine answers probes slowly";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let by = stream.span(Span::millis(500, 6_000));
        Some(Self { pool: scene.with_engine(stream)?, by, lasts: stream.span(Span::millis(1_000, 120_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.ail(pool, EngineHealth::Slow(self.by), self.lasts);
    }
}
