//! The engine's program is not there, or may not be executed, for a while: a package that is being replaced, a
//! mount that is gone.

use std::time::Duration;

use pool_manager_core::SpawnError;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// No start of the pool finds its program for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramMissing {
    pool: Place,
    denied: bool,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for ProgramMissing {
    const MEANS: &'static str = "the program of an engine is missing or denied";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let lasts = stream.span(Span::millis(100, 120_000));
        Some(Self { pool: scene.any(stream)?, denied: stream.one_in(2), lasts })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let error = if self.denied { SpawnError::Denied } else { SpawnError::NotFound };
        world.spoil_program(pool, error, self.lasts);
    }
}
