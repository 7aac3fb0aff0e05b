//! SIGTERM twice, or INT and TERM together (G2, G5): the second ends everything at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Two requests to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermTwice {
    /// Between the two.
    #[serde(with = "duration")]
    apart: Duration,
    /// From its end to its next start.
    #[serde(with = "duration")]
    back_after: Duration,
}

impl Strikes for TermTwice {
    const MEANS: &'static str = "the supervisor is told to end twice, and started again";
    const EVERY: Duration = Duration::from_secs(240);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let apart = if stream.one_in(3) { Duration::ZERO } else { stream.span(Span::millis(0, 10_000)) };
        Some(Self { apart, back_after: stream.span(Span::millis(0, 20_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.terminate(self.back_after);
        if !world.is_down() {
            world.shut_down_again(self.apart);
        }
    }
}
