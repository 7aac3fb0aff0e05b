//! Nothing listens where probes are sent, though the engine runs: a connection is refused.

use std::time::Duration;

use pool_manager_core::ProbeAnswer;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Connections to the engine of a pool are refused for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRefused {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for ProbeRefused {
    const MEANS: &'static str = "connections to an engine are refused";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 40_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Answers(ProbeAnswer::Refused), self.lasts);
    }
}
