//! The model does not fit the memory of its GPUs, or an earlier engine has not given it back: CUDA out of memory
//! while loading, exit 1 (llama.cpp, vLLM) or an abort.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next starts of a pool die for want of GPU memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomAtLoad {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    after: Duration,
    aborts: bool,
}

impl Strikes for OomAtLoad {
    const MEANS: &'static str = "an engine runs out of GPU memory while it loads";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let after = stream.span(Span::millis(100, 20_000));
        Some(Self { pool: scene.any(stream)?, times: times(stream), after, aborts: stream.one_in(3) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let status = if self.aborts { ExitStatus::Signal(6) } else { ExitStatus::Code(1) };
        let log = vec![LogClass::GpuOutOfMemory, LogClass::ModelLoad];
        let ending = Ending { log, ..Ending::plain(status) };
        world.spoil_starts(pool, self.times, &BadStart::dies_loading(self.after, ending));
    }
}
