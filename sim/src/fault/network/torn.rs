//! A connection is torn while the answer is on its way: before the status, or after it and before the body's end.

use std::time::Duration;

use pool_manager_core::ProbeAnswer;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Answers of the engine of a pool are torn for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerTorn {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
    /// What was read before: 0 where nothing was.
    status: u16,
}

impl Strikes for AnswerTorn {
    const MEANS: &'static str = "answers of an engine are torn";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let status = if stream.one_in(2) { 200 } else { 0 };
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 40_000)), status })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Torn(ProbeAnswer::Unhealthy { status: self.status }), self.lasts);
    }
}
