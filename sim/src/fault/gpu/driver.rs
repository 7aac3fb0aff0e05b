//! The driver is unloaded, or was replaced under its library: no GPU can be used for a new engine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The driver does not fit, or is not there, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverGone {
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for DriverGone {
    const MEANS: &'static str = "the GPU driver does not fit";
    const EVERY: Duration = Duration::from_secs(300);
    const QUIET: Duration = Duration::from_secs(30);

    fn draw(_: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let long = if stream.one_in(3) { 120_000 } else { 10_000 };
        Some(Self { lasts: stream.span(Span::millis(100, long)) })
    }

    fn strike(&self, world: &mut World) {
        world.unload_driver(self.lasts);
    }
}
