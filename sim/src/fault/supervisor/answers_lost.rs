//! Answers of executors never reach the core (X5): an executor that hangs, or a channel that was full.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// The next answers are lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersLost {
    answers: u32,
}

impl Strikes for AnswersLost {
    const MEANS: &'static str = "answers of executors are lost";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { answers: 1 + stream.below(4) })
    }

    fn strike(&self, world: &mut World) {
        world.lose_answers(self.answers);
    }
}
