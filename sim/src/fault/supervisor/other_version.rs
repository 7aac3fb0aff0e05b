//! Another version of the supervisor takes over (X3): it can read nothing but the Facts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::crash::start;
use crate::fault::{Scene, Strikes};
use crate::random::{Span, Stream};
use crate::world::{Crash, CrashPoint, Start, Version, World};

/// A crash after which another version is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorOtherVersion {
    #[serde(flatten)]
    crash: Crash,
}

impl Strikes for SupervisorOtherVersion {
    const MEANS: &'static str = "the supervisor dies, and another version of it takes over";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let point = match stream.below(4) {
            0 => CrashPoint::InputJournaled,
            1 => CrashPoint::AfterEffects(stream.below(12)),
            _ => CrashPoint::AtRest,
        };
        let next = Start { version: Version::Other, ..start(stream) };
        let down_for = stream.span(Span::millis(0, 10_000));
        Some(Self { crash: Crash { point, down_for, next, again: stream.below(2) } })
    }

    fn strike(&self, world: &mut World) {
        world.crash_supervisor(self.crash.clone());
    }
}
