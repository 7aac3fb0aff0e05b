//! A client's prompt speaks of a CUDA error, and the engine writes it to its log: nothing is wrong with the engine.

use std::time::Duration;

use pool_manager_core::LogClass;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// Lines in the log of a healthy engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptEchoed {
    pool: Place,
    lines: u32,
}

impl Strikes for PromptEchoed {
    const MEANS: &'static str = "a prompt that speaks of a CUDA error is logged";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)?, lines: 1 + stream.below(3) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        for _ in 0..self.lines {
            world.log_line(pool, LogClass::CudaError);
        }
    }
}
