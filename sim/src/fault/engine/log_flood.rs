//! A flood in the log: lines that mean something, of one class or of all, faster than anybody reads.

use std::time::Duration;

use pool_manager_core::LogClass;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine logs so many lines, of these classes in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFlood {
    pool: Place,
    classes: Vec<LogClass>,
    lines: u32,
    #[serde(with = "duration")]
    every: Duration,
}

const ALL: [LogClass; 7] = [
    LogClass::AddressInUse,
    LogClass::CudaError,
    LogClass::DriverMismatch,
    LogClass::GpuOutOfMemory,
    LogClass::ModelLoad,
    LogClass::NoDevice,
    LogClass::WorkerDied,
];

impl Strikes for LogFlood {
    const MEANS: &'static str = "the log of an engine is flooded";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let every = if stream.one_in(3) { Duration::ZERO } else { stream.span(Span::millis(1, 500)) };
        let classes = if stream.one_in(2) { ALL.to_vec() } else { vec![*stream.pick(&ALL)?] };
        Some(Self { pool: scene.with_engine(stream)?, classes, lines: 1 + stream.below(100), every })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.flood_log(pool, self.classes.clone(), self.lines, self.every);
    }
}
