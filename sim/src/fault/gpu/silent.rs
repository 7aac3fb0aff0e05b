//! Whoever looks at a GPU waits for an answer: the management library hangs. The answer comes late, or when nobody waits for it any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Looks at GPUs hang for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookHangs {
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for LookHangs {
    const MEANS: &'static str = "looks at GPUs hang";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(_: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let long = if stream.one_in(3) { 80_000 } else { 10_000 };
        Some(Self { lasts: stream.span(Span::millis(100, long)) })
    }

    fn strike(&self, world: &mut World) {
        world.silence_gpus(self.lasts);
    }
}
