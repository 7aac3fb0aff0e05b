//! Restarts that get slower and slower: a disk that fills with core dumps, a cache that is rebuilt each time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next starts load for this long, twice as long, four times as long …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowerRestarts {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    first: Duration,
}

impl Strikes for SlowerRestarts {
    const MEANS: &'static str = "every restart is slower than the last";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let first = stream.span(Span::millis(500, 10_000));
        Some(Self { pool: scene.any(stream)?, times: 2 + stream.below(5), first })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let mut loads_for = self.first;
        for _ in 0..self.times {
            world.spoil_starts(pool, 1, &BadStart { loads_for: Some(loads_for), ..BadStart::default() });
            loads_for = loads_for.saturating_mul(2);
        }
    }
}
