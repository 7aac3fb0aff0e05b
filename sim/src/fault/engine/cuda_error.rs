//! A CUDA error under traffic. The context is lost: the engine aborts at once (GGML_ABORT), some time later (the
//! collective watchdog), or answers on as if nothing were, or nothing at all. Or the line was only a prompt that was
//! echoed into the log.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass};
use serde::{Deserialize, Serialize};

use crate::engine::{Ending, EngineHealth};
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine logs a CUDA error now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CudaError {
    pool: Place,
    then: Then,
    #[serde(with = "duration")]
    after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Then {
    Aborts,
    Hangs,
    ServesOn,
}

/// Longer than any engine is left to hang.
const LONG: Duration = Duration::from_secs(3600);

impl Strikes for CudaError {
    const MEANS: &'static str = "an engine logs a CUDA error under traffic";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let then = *stream.pick(&[Then::Aborts, Then::Hangs, Then::ServesOn])?;
        Some(Self { pool: scene.with_engine(stream)?, then, after: stream.span(Span::millis(0, 20_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.log_line(pool, LogClass::CudaError);
        match self.then {
            Then::Aborts => {
                let ending =
                    Ending { log: vec![LogClass::WorkerDied], ..Ending::plain(ExitStatus::Signal(6)) };
                world.crash_after(pool, self.after, ending);
            }
            Then::Hangs => world.ail(pool, EngineHealth::Hangs, LONG),
            Then::ServesOn => {}
        }
    }
}
