//! An engine dies by itself: a crash, an abort, an exit that nobody asked for.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// The engine of a pool dies in this instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineCrash {
    pool: Place,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Abort,
    CleanExit,
    CudaError,
    Segfault,
}

impl Strikes for EngineCrash {
    const MEANS: &'static str = "an engine dies by itself";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(1);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let how = *stream.pick(&[How::Abort, How::CleanExit, How::CudaError, How::Segfault])?;
        Some(Self { pool: scene.with_engine(stream)?, how })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let ending = match self.how {
            How::Abort => Ending::plain(ExitStatus::Signal(6)),
            How::CleanExit => Ending::plain(ExitStatus::Code(0)),
            How::CudaError => {
                Ending { log: vec![LogClass::CudaError], ..Ending::plain(ExitStatus::Signal(6)) }
            }
            How::Segfault => Ending::plain(ExitStatus::Signal(11)),
        };
        world.crash(pool, ending);
    }
}
