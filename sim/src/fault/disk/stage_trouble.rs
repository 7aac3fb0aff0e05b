//! Staging goes wrong (D2, D8): it fails in one of its ways, is slow, or stops moving.

use std::time::Duration;

use pool_manager_core::StageError;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::staging::StageTrouble;
use crate::world::World;

/// Whatever a pool stages, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSick {
    pool: Place,
    trouble: StageTrouble,
    #[serde(with = "duration")]
    lasts: Duration,
}

const ERRORS: [StageError; 7] = [
    StageError::BadDigest,
    StageError::BadSize,
    StageError::Fetch(0),
    StageError::Fetch(503),
    StageError::Io(5),
    StageError::Missing,
    StageError::NoSpace,
];

impl Strikes for StageSick {
    const MEANS: &'static str = "staging fails, is slow, or stalls";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let error = *stream.pick(&ERRORS)?;
        let trouble = match stream.below(4) {
            0 => StageTrouble::Fails(error),
            1 => StageTrouble::PreflightFails(error),
            2 => StageTrouble::Slow(2 + stream.below(50)),
            _ => StageTrouble::Stalls(stream.below(20)),
        };
        Some(Self { pool: scene.any(stream)?, trouble, lasts: stream.span(Span::millis(10, 60_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_staging(pool, self.trouble, self.lasts);
    }
}
