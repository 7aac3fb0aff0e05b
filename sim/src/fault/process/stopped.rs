//! A process that is stopped for a while: by SIGSTOP, which the CONT after our TERM undoes, or by a debugger, where
//! TERM waits until KILL or until it is let go. Its health hangs, its listener still accepts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::process_table::Freeze;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine does not run for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    pool: Place,
    traced: bool,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for Stopped {
    const MEANS: &'static str = "an engine is stopped by SIGSTOP or a debugger";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let lasts = stream.span(Span::millis(100, 120_000));
        Some(Self { pool: scene.with_engine(stream)?, traced: stream.one_in(3), lasts })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let by = if self.traced { Freeze::Trace } else { Freeze::Stop };
        world.freeze(pool, by, self.lasts);
    }
}
