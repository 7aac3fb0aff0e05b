//! The kernel kills for want of memory: the first process of an engine, or one of its workers, whose engine then
//! exits by code while the counter of its cgroup tells the truth.

use std::time::Duration;

use pool_manager_core::ExitStatus;
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine ends by the kernel's hand; by code, where a worker was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKill {
    pool: Place,
    worker: bool,
    #[serde(with = "duration")]
    follows_after: Duration,
}

impl Strikes for OomKill {
    const MEANS: &'static str = "the kernel kills an engine for want of memory";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let worker = stream.one_in(3);
        Some(Self {
            pool: scene.with_engine(stream)?,
            worker,
            follows_after: stream.span(Span::millis(0, 3_000)),
        })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        if self.worker && world.kill_worker(pool, 0) {
            let ending = Ending { status: ExitStatus::Code(1), ..Ending::oom_killed() };
            world.crash_after(pool, self.follows_after, ending);
        } else {
            world.crash(pool, Ending::oom_killed());
        }
    }
}
