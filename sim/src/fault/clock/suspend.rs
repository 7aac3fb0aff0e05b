//! The host is suspended (C2): the clock goes on, nothing else does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// For so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSuspend {
    #[serde(with = "duration")]
    by: Duration,
}

impl Strikes for HostSuspend {
    const MEANS: &'static str = "the host is suspended";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { by: stream.span(Span::millis(10, 60_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.suspend(self.by);
    }
}
