//! Health that comes and goes: good for a while, bad for a while.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::EngineHealth;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine answers well and badly in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flap {
    pool: Place,
    #[serde(with = "duration")]
    well: Duration,
    #[serde(with = "duration")]
    ill: Duration,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for Flap {
    const MEANS: &'static str = "the health of an engine flaps";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let (well, ill) = (stream.span(Span::millis(100, 20_000)), stream.span(Span::millis(100, 20_000)));
        Some(Self {
            pool: scene.with_engine(stream)?,
            well,
            ill,
            lasts: stream.span(Span::millis(5_000, 300_000)),
        })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.ail(pool, EngineHealth::Flaps { well: self.well, ill: self.ill }, self.lasts);
    }
}
