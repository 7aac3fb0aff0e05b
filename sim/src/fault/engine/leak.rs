//! An engine that leaks host memory until the kernel kills it, again after every start.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// This engine and the next ones are killed for their memory so long after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    lives_for: Duration,
}

impl Strikes for Leak {
    const MEANS: &'static str = "an engine leaks until it is killed for it";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let lives_for = stream.span(Span::millis(1_000, 60_000));
        Some(Self { pool: scene.with_engine(stream)?, times: times(stream), lives_for })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.crash_after(pool, self.lives_for, Ending::oom_killed());
        let start = BadStart { dies: Some((self.lives_for, Ending::oom_killed())), ..BadStart::default() };
        world.spoil_starts(pool, self.times, &start);
    }
}
