//! The decode loop is dead and the health endpoint answers on (llama.cpp #13281): no stream of the engine ends
//! any more. All that the core can see is that nobody ends a lease.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// What the engine generates does not end for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationHangs {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for GenerationHangs {
    const MEANS: &'static str = "generation hangs while health says 200";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(1_000, 600_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.hang_generation(pool, self.lasts);
    }
}
