//! Answers of executors reach the core late, after younger ones and perhaps when nobody waits for them any more (X6, X7).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::{Executor, World};

/// Every answer, or every answer of one executor, comes later, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersLate {
    #[serde(with = "duration")]
    by: Duration,
    #[serde(with = "duration")]
    lasts: Duration,
    /// Whose; nobody named: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Executor>,
}

const EXECUTORS: [Executor; 5] =
    [Executor::Evidence, Executor::Probe, Executor::Release, Executor::Spawn, Executor::Stage];

impl Strikes for AnswersLate {
    const MEANS: &'static str = "answers of executors come late";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(30);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        // Where only one of them is slow, life goes on, and its answers meet what has become of the pool since.
        let of = if stream.one_in(2) { stream.pick(&EXECUTORS).copied() } else { None };
        let by = match (stream.below(8), of) {
            (0, _) => Duration::from_secs(3600),
            (1..=3, _) | (_, Some(_)) => stream.span(Span::millis(5000, 90_000)),
            (_, None) => stream.span(Span::millis(1, 5000)),
        };
        let lasts = stream.span(Span::millis(100, if of.is_some() { 120_000 } else { 30_000 }));
        Some(Self { by, lasts, of })
    }

    fn strike(&self, world: &mut World) {
        world.delay_answers(self.of, self.by, self.lasts);
    }
}
