//! The endpoint says that it is not ready (503), as some engines do while they are busy.

use std::time::Duration;

use pool_manager_core::ProbeAnswer;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The endpoint of a pool says for a while that it is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaysLoading {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for SaysLoading {
    const MEANS: &'static str = "a busy engine says it is not ready";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 40_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Answers(ProbeAnswer::Loading), self.lasts);
    }
}
