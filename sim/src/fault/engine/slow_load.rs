//! Engines load slowly: a cold page cache, a busy disk, kernels to be compiled. Minutes are ordinary.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The load that is under way takes so much longer, and the next ones so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowLoad {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    loads_for: Duration,
}

impl Strikes for SlowLoad {
    const MEANS: &'static str = "engines of a pool load slowly";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let loads_for = stream.span(Span::millis(5_000, 180_000));
        Some(Self { pool: scene.any(stream)?, times: times(stream), loads_for })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.slow_load(pool, self.loads_for);
        let start = BadStart { loads_for: Some(self.loads_for), ..BadStart::default() };
        world.spoil_starts(pool, self.times, &start);
    }
}
