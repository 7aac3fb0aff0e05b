//! The exec succeeds and the dynamic loader ends the process at once: a library of the CUDA toolkit is missing. The
//! loader exits with 127, a corrupt one is killed by SIGSEGV or SIGBUS.

use std::time::Duration;

use pool_manager_core::ExitStatus;
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next starts of a pool end in the loader, of this signal; 0: with its exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderDies {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    after: Duration,
    signal: i32,
}

impl Strikes for LoaderDies {
    const MEANS: &'static str = "a process dies in the dynamic loader";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let signal = *stream.pick(&[0, 0, 7, 11])?;
        Some(Self {
            pool: scene.any(stream)?,
            times: times(stream),
            after: stream.span(Span::millis(0, 20)),
            signal,
        })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let status = if self.signal == 0 { ExitStatus::Code(127) } else { ExitStatus::Signal(self.signal) };
        world.spoil_starts(pool, self.times, &BadStart::dies_loading(self.after, Ending::plain(status)));
    }
}
