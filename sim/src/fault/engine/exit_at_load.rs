//! An engine exits while it loads: a bad flag (2 by argparse), a model it cannot read (1), a wrapper that
//! cannot execute it (126, 127), or for no reason it names (0).

use std::time::Duration;

use pool_manager_core::ExitStatus;
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The next starts of a pool exit with this code, so long after their spawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitAtLoad {
    pool: Place,
    times: u32,
    #[serde(with = "duration")]
    after: Duration,
    code: i32,
}

impl Strikes for ExitAtLoad {
    const MEANS: &'static str = "an engine exits while it loads";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let code = *stream.pick(&[0, 1, 2, 126, 127, 255])?;
        let at_once = stream.one_in(2);
        let after = stream.span(if at_once { Span::millis(0, 50) } else { Span::millis(50, 8_000) });
        Some(Self { pool: scene.any(stream)?, times: times(stream), after, code })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let ending = Ending::plain(ExitStatus::Code(self.code));
        world.spoil_starts(pool, self.times, &BadStart::dies_loading(self.after, ending));
    }
}
