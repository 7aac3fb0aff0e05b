//! An engine dies, and what one executor says of its end or of the next start comes so late that the pool has long
//! served again, and drains (X6, X7).

use std::time::Duration;

use pool_manager_core::{ExitStatus, Verb};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::{Executor, World};

/// A late answer, and a drain to meet it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersMeetDrain {
    pool: Place,
    of: Executor,
    #[serde(with = "duration")]
    by: Duration,
    #[serde(with = "duration")]
    drain_after: Duration,
}

/// Only what is asked this soon after the end is late: the next try is answered in time.
const LASTS: Duration = Duration::from_secs(5);

impl Strikes for AnswersMeetDrain {
    const MEANS: &'static str = "answers about an engine's end meet the next one's drain";
    const EVERY: Duration = Duration::from_secs(100);
    const QUIET: Duration = Duration::from_secs(30);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.with_engine(stream)?;
        // Later than the core waits for each.
        let (of, by) = match stream.below(3) {
            0 => (Executor::Evidence, Span::millis(2000, 40_000)),
            1 => (Executor::Release, Span::millis(31_000, 90_000)),
            _ => (Executor::Spawn, Span::millis(11_000, 60_000)),
        };
        let by = stream.span(by);
        let drain_after = (by + stream.span(Span::millis(0, 4000))).saturating_sub(Duration::from_secs(1));
        Some(Self { pool, of, by, drain_after })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.delay_answers(Some(self.of), self.by, LASTS);
        world.crash(pool, Ending::plain(ExitStatus::Signal(6)));
        world.order_later(self.pool, Verb::Drain { deadline: None }, self.drain_after);
    }
}
