//! Many exits, one SIGCHLD (G6): the ends of a while are noticed in one instant.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Exits are noticed at the end of a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitsCoalesced {
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for ExitsCoalesced {
    const MEANS: &'static str = "the exits of a while are noticed all at once";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { lasts: stream.span(Span::millis(1, 5000)) })
    }

    fn strike(&self, world: &mut World) {
        world.hold_exits(self.lasts);
    }
}
