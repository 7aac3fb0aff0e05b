//! The memory of an engine stays on its GPUs after its end: contexts are torn down slowly, or a child of it lives on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The memory of the engine of a pool is not free at once when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowFree {
    pool: Place,
    #[serde(with = "duration")]
    lingers: Duration,
}

impl Strikes for SlowFree {
    const MEANS: &'static str = "memory stays taken after an engine's end";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let long = if stream.one_in(4) { 60_000 } else { 5000 };
        Some(Self { pool: scene.with_engine(stream)?, lingers: stream.span(Span::millis(100, long)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.set_lingering(pool, self.lingers);
    }
}
