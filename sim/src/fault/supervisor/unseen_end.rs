//! An engine ends while the supervisor is dead: nobody waits for it. How it ended is found, or not; a stranger may have
//! its pid by the time somebody looks, and to the core that is the same: it is gone.

use std::time::Duration;

use pool_manager_core::ExitStatus;
use serde::{Deserialize, Serialize};

use super::crash::start;
use crate::engine::Ending;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::{Crash, CrashPoint, World};

/// A crash of the supervisor, and of an engine with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnseenEnd {
    pool: Place,
    /// After the supervisor's.
    #[serde(with = "duration")]
    after: Duration,
    code: i32,
    crash: Crash,
}

impl Strikes for UnseenEnd {
    const MEANS: &'static str = "an engine ends while the supervisor is dead";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.with_engine(stream)?;
        let after = stream.span(Span::millis(0, 5000));
        let down_for = after + stream.span(Span::millis(0, 5000));
        let code = *stream.pick(&[0, 1, 2])?;
        let crash = Crash { point: CrashPoint::AtRest, down_for, next: start(stream), again: 0 };
        Some(Self { pool, after, code, crash })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.crash_supervisor(self.crash.clone());
        world.end_engine_later(pool, self.after, Ending::plain(ExitStatus::Code(self.code)));
    }
}
