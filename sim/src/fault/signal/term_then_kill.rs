//! SIGTERM, and then SIGKILL: the service manager did not wait, so the supervisor dies in the middle of its shutdown.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::random::{Span, Stream};
use crate::world::{Crash, CrashPoint, Start, World};

/// A request to end that is not waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermThenKill {
    kill: Crash,
}

impl Strikes for TermThenKill {
    const MEANS: &'static str = "the supervisor is told to end, and killed meanwhile";
    const EVERY: Duration = Duration::from_secs(240);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let point = CrashPoint::AfterEffects(1 + stream.below(20));
        let down_for = stream.span(Span::millis(0, 20_000));
        Some(Self { kill: Crash { point, down_for, next: Start::default(), again: 0 } })
    }

    fn strike(&self, world: &mut World) {
        world.crash_supervisor(self.kill.clone());
        world.terminate(self.kill.down_for);
    }
}
