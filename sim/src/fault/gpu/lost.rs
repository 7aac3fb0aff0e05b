//! A GPU falls off the bus (Xid 79): its engines die or hang, and until it is reset no look finds it.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Scene, Strikes};
use crate::gpu::Ailment;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// A device is lost until it heals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuLost {
    device: String,
    #[serde(with = "duration")]
    lasts: Duration,
    engines: Then,
    /// From the report to what becomes of the engines.
    #[serde(with = "duration")]
    after: Duration,
}

/// What its engines do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Then {
    Abort,
    GoOn,
    Hang,
}

impl Strikes for GpuLost {
    const MEANS: &'static str = "a GPU falls off the bus";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let engines = *stream.pick(&[Then::Abort, Then::Hang, Then::GoOn])?;
        let long = if stream.one_in(3) { 120_000 } else { 20_000 };
        Some(Self {
            device: scene.device(stream)?,
            lasts: stream.span(Span::millis(100, long)),
            engines,
            after: stream.span(Span::millis(0, 3000)),
        })
    }

    fn strike(&self, world: &mut World) {
        world.ail_gpu(&self.device, Ailment::Gone, self.lasts);
        world.report_xid(&self.device, 79);
        match self.engines {
            Then::Abort => {
                let log = vec![LogClass::CudaError];
                let ending = Ending { log, ..Ending::plain(ExitStatus::Signal(6)) };
                world.end_engines_on(&self.device, self.after, &ending);
            }
            Then::GoOn => {}
            Then::Hang => world.hang_engines_on(&self.device),
        }
    }
}
