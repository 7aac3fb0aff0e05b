//! SIGTERM to the supervisor (G1): it ends as it should, and the service manager starts it again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// One SIGTERM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// From its end to its next start.
    #[serde(with = "duration")]
    back_after: Duration,
}

impl Strikes for Term {
    const MEANS: &'static str = "the supervisor is told to end, and started again";
    const EVERY: Duration = Duration::from_secs(240);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { back_after: stream.span(Span::millis(0, 20_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.terminate(self.back_after);
    }
}
