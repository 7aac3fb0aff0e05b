//! The supervisor dies anywhere in its work (X1): between two inputs, while it writes one, before and after any effect.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::random::{Span, Stream};
use crate::world::{Crash, CrashPoint, Ends, InFlight, Start, Unacknowledged, Version, World};

/// A crash at an effect boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorCrash {
    #[serde(flatten)]
    crash: Crash,
}

impl Strikes for SupervisorCrash {
    const MEANS: &'static str = "the supervisor dies at any boundary of its work";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(1);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let point = match stream.below(6) {
            0 => CrashPoint::AtRest,
            1 => CrashPoint::InputJournaled,
            2 => CrashPoint::InputTorn(stream.below(1000)),
            _ => CrashPoint::AfterEffects(stream.below(12)),
        };
        Some(Self { crash: Crash { point, down_for: down_time(stream), next: start(stream), again: 0 } })
    }

    fn strike(&self, world: &mut World) {
        world.crash_supervisor(self.crash.clone());
    }
}

/// The service manager's own pause, mostly; now and then it takes long.
pub(super) fn down_time(stream: &mut Stream) -> Duration {
    if stream.one_in(4) { stream.span(Span::millis(0, 60_000)) } else { stream.span(Span::millis(0, 2000)) }
}

/// The same program, and whatever else may differ.
pub(super) fn start(stream: &mut Stream) -> Start {
    Start {
        version: Version::Same,
        in_flight: if stream.one_in(2) { InFlight::Done } else { InFlight::Lost },
        unacknowledged: if stream.one_in(2) { Unacknowledged::Killed } else { Unacknowledged::Adopted },
        ends: if stream.one_in(3) { Ends::Unknown } else { Ends::Known },
    }
}
