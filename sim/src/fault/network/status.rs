//! The endpoint answers with an error: of the engine, of what stands before it, or of another endpoint.

use std::time::Duration;

use pool_manager_core::ProbeAnswer;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The endpoint of a pool answers with an error for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorStatus {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
    status: u16,
}

impl Strikes for ErrorStatus {
    const MEANS: &'static str = "an endpoint answers with an error";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let status = *stream.pick(&[400, 404, 429, 500, 502, 504])?;
        Some(Self { pool: scene.with_engine(stream)?, lasts: stream.span(Span::millis(500, 40_000)), status })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_way(pool, Trouble::Answers(ProbeAnswer::Unhealthy { status: self.status }), self.lasts);
    }
}
