//! The news of an end is lost, and a look at the processes finds it some time later. Meanwhile the pool is thought
//! to run: its probes are refused, its signals reach a zombie.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadExit;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next ends of the pool's engines are told so late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitLost {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    found_after: Duration,
}

impl Strikes for ExitLost {
    const MEANS: &'static str = "an exit is lost and found by a later look";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let soon = stream.one_in(2);
        let found_after =
            stream.span(if soon { Span::millis(20, 5_000) } else { Span::millis(5_000, 90_000) });
        Some(Self { pool: scene.any(stream)?, times: times(stream), found_after })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.spoil_exits(pool, self.times, BadExit::Late(self.found_after));
    }
}
