//! A spawn that takes long to be acknowledged, around the core's own limit of 10 s and beyond it: an exec from a
//! network disk that hangs. The process exists all the while.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next starts are acknowledged so late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowSpawn {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    after: Duration,
}

impl Strikes for SlowSpawn {
    const MEANS: &'static str = "a spawn is acknowledged late";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let near = stream.one_in(2);
        let after = stream.span(if near { Span::millis(9_000, 11_000) } else { Span::millis(100, 40_000) });
        Some(Self { pool: scene.any(stream)?, times: times(stream), after })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let start = BadStart { acknowledged_after: Some(self.after), ..BadStart::default() };
        world.spoil_starts(pool, self.times, &start);
    }
}
