//! Answers take longer: some still come in time, some do not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Answers of the engine of a pool are later for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySpike {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
    #[serde(with = "duration")]
    by: Duration,
}

impl Strikes for LatencySpike {
    const MEANS: &'static str = "answers of an engine are late";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let by = stream.span(Span::millis(1, 4000));
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 40_000)), by })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Delays(self.by), self.lasts);
    }
}
