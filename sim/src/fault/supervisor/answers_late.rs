//! Answers of executors reach the core late, after younger ones and perhaps when nobody waits for them any more (X6, X7).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Every answer comes later, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersLate {
    #[serde(with = "duration")]
    by: Duration,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for AnswersLate {
    const MEANS: &'static str = "answers of executors come late";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(30);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let by = match stream.below(8) {
            0 => Duration::from_secs(3600),
            1..=3 => stream.span(Span::millis(5000, 90_000)),
            _ => stream.span(Span::millis(1, 5000)),
        };
        Some(Self { by, lasts: stream.span(Span::millis(100, 30_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.delay_answers(self.by, self.lasts);
    }
}
