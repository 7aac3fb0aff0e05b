//! A process in uninterruptible sleep, in the driver of a sick GPU: KILL takes effect when that ends, minutes later.
//! The core calls it stuck; its late exit lifts the hold.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::process_table::Freeze;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine, and so its KILL, takes so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uninterruptible {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for Uninterruptible {
    const MEANS: &'static str = "an engine is in uninterruptible sleep";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(1_000, 180_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.freeze(pool, Freeze::Uninterruptible, self.lasts);
    }
}
