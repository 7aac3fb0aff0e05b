//! Some probes are lost and some are not: failures never come in a row of their own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Some probes of the engine of a pool are lost for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeLoss {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
    /// One in so many.
    one_in: u32,
}

impl Strikes for ProbeLoss {
    const MEANS: &'static str = "some probes of an engine are lost";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let one_in = 2 + stream.below(4);
        Some(Self {
            pool: scene.with_engine(stream)?,
            lasts: stream.span(Span::millis(5000, 120_000)),
            one_in,
        })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Loses(self.one_in), self.lasts);
    }
}
