//! One tensor-parallel rank dies. The others wait for it in a collective: health says 200 and nothing is generated,
//! until the watchdog (10 min by default) takes the whole engine down, or the launcher notices at once.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// A rank dies now; its engine hangs, and is taken down so long after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankDies {
    pool: Place,
    rank: usize,
    #[serde(with = "duration")]
    noticed_after: Duration,
}

impl Strikes for RankDies {
    const MEANS: &'static str = "one rank dies and the others hang";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.with_workers(stream)?;
        let quick = stream.one_in(2);
        let noticed_after =
            stream.span(if quick { Span::millis(0, 5_000) } else { Span::millis(5_000, 600_000) });
        Some(Self { pool, rank: stream.below(4) as usize, noticed_after })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        if !world.kill_worker(pool, self.rank) {
            return;
        }
        world.log_line(pool, LogClass::WorkerDied);
        world.hang_generation(pool, self.noticed_after);
        let ending = Ending { log: vec![LogClass::WorkerDied], ..Ending::plain(ExitStatus::Code(1)) };
        world.crash_after(pool, self.noticed_after, ending);
    }
}
