//! The same end is told twice, the second time when another engine may run already.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadExit;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next ends of the pool's engines are told again, so long after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitTwice {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    after: Duration,
}

impl Strikes for ExitTwice {
    const MEANS: &'static str = "an exit is told twice";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let at_once = stream.one_in(2);
        let after = stream.span(if at_once { Span::millis(0, 20) } else { Span::millis(20, 30_000) });
        Some(Self { pool: scene.any(stream)?, times: times(stream), after })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.spoil_exits(pool, self.times, BadExit::Twice(self.after));
    }
}
