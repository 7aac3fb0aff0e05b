//! A probe is answered in time, and its answer reaches the supervisor when it has stopped waiting.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// What was found out about the engine of a pool is known late for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateNews {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
    #[serde(with = "duration")]
    by: Duration,
}

impl Strikes for LateNews {
    const MEANS: &'static str = "answers in time are known late";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let by = stream.span(Span::millis(500, 12_000));
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 40_000)), by })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Holds(self.by), self.lasts);
    }
}
