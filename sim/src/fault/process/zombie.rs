//! A zombie that is not reaped for long although its end was told: a tracer holds it, or a process it made cannot
//! die. Its number stays taken, and so do, as far as anybody can tell, its devices.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadExit;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next ends of the pool's engines leave a zombie for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zombie {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for Zombie {
    const MEANS: &'static str = "a zombie is not reaped for long";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let long = stream.one_in(3);
        let lasts = stream.span(if long { Span::millis(25_000, 90_000) } else { Span::millis(1, 10_000) });
        Some(Self { pool: scene.any(stream)?, times: times(stream), lasts })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.spoil_exits(pool, self.times, BadExit::Zombie(self.lasts));
    }
}
