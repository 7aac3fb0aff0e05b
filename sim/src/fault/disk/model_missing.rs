//! The model's file vanishes (D8): whatever loads it dies, and staging does not find it until it is back.

use std::time::Duration;

use pool_manager_core::{ExitStatus, PhaseName, StageError};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::staging::StageTrouble;
use crate::world::World;

/// No model for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMissing {
    pool: Place,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for ModelMissing {
    const MEANS: &'static str = "the model of a pool vanishes for a while";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)?, lasts: stream.span(Span::millis(10, 90_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_staging(pool, StageTrouble::PreflightFails(StageError::Missing), self.lasts);
        let loads = world.view().pool(pool).is_some_and(|pool| pool.phase == PhaseName::Starting);
        if loads {
            world.crash(pool, Ending::plain(ExitStatus::Code(1)));
        }
    }
}
