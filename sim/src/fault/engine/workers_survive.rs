//! Workers that outlive their engine (vLLM #55510): the first process dies, its ranks live on, hold the memory of
//! the GPUs and the port, and one of them may be stuck in the driver.

use std::time::Duration;

use pool_manager_core::ExitStatus;
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The workers do not notice the end of their engine, which comes so long from now; one of them is stuck
/// for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkersSurvive {
    pool: Place,
    #[serde(with = "duration")]
    dies_after: Duration,
    #[serde(with = "duration")]
    stuck_for: Duration,
}

impl Strikes for WorkersSurvive {
    const MEANS: &'static str = "workers outlive their engine";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.with_workers(stream)?;
        let dies_after = stream.span(Span::millis(0, 10_000));
        let stuck = if stream.one_in(3) { Span::millis(100, 120_000) } else { Span::NONE };
        Some(Self { pool, dies_after, stuck_for: stream.span(stuck) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.detach_workers(pool);
        world.stick_worker(pool, 0, self.stuck_for);
        world.crash_after(pool, self.dies_after, Ending::plain(ExitStatus::Signal(11)));
    }
}
