//! GPU memory runs out while the engine serves: it says so, and dies of it or serves on.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine logs it now, and dies so long after; zero: it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomUnderTraffic {
    pool: Place,
    #[serde(with = "duration")]
    dies_after: Duration,
}

impl Strikes for OomUnderTraffic {
    const MEANS: &'static str = "GPU memory runs out under traffic";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let dies_after = if stream.one_in(3) { Duration::ZERO } else { stream.span(Span::millis(1, 3_000)) };
        Some(Self { pool: scene.with_engine(stream)?, dies_after })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.log_line(pool, LogClass::GpuOutOfMemory);
        if !self.dies_after.is_zero() {
            world.crash_after(pool, self.dies_after, Ending::plain(ExitStatus::Signal(6)));
        }
    }
}
