//! The other end of every connection is gone and nobody says so: what is under way is never answered either.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Connections to the engine of a pool are dead for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfOpen {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for HalfOpen {
    const MEANS: &'static str = "connections to an engine are half-open";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 40_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Dead, self.lasts);
    }
}
