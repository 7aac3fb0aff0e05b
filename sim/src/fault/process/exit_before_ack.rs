//! The news of an end overtakes the answer of the spawn. The daemon's own executor keeps the order; the core does
//! not depend on it.

use std::time::Duration;

use pool_manager_core::ExitStatus;
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next starts die so long after they were made, and are acknowledged so much later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitBeforeAck {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    dies_after: Duration,
    #[serde(with = "duration")]
    acknowledged_after: Duration,
    clean: bool,
}

impl Strikes for ExitBeforeAck {
    const MEANS: &'static str = "an exit is told before its spawn";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let dies_after = stream.span(Span::millis(0, 500));
        // Beyond 10 s the core has given the spawn up.
        let late = if stream.one_in(3) { Span::millis(5_000, 20_000) } else { Span::millis(0, 3_000) };
        let acknowledged_after = dies_after + stream.span(late);
        let clean = stream.one_in(2);
        Some(Self { pool: scene.any(stream)?, times: times(stream), dies_after, acknowledged_after, clean })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let status = if self.clean { ExitStatus::Code(0) } else { ExitStatus::Signal(11) };
        let start = BadStart {
            acknowledged_after: Some(self.acknowledged_after),
            ..BadStart::dies_loading(self.dies_after, Ending::plain(status))
        };
        world.spoil_starts(pool, self.times, &start);
    }
}
