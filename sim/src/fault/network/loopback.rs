//! The host's loopback is down, or its connection table is full: no engine of it can be reached.

use std::time::Duration;

use pool_manager_core::{PoolUid, ProbeAnswer};
use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::network::Trouble;
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// No engine can be reached for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopbackDown {
    #[serde(with = "duration")]
    lasts: Duration,
    /// Whether connections are refused at once; else nothing is heard.
    refused: bool,
}

impl Strikes for LoopbackDown {
    const MEANS: &'static str = "no engine of the host can be reached";
    const EVERY: Duration = Duration::from_secs(400);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(_: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { lasts: stream.span(Span::millis(100, 30_000)), refused: stream.one_in(2) })
    }

    fn strike(&self, world: &mut World) {
        let answer = if self.refused { ProbeAnswer::Refused } else { ProbeAnswer::TimedOut };
        let pools: Vec<PoolUid> = world.places().to_vec();
        for pool in pools {
            world.trouble_way(pool, Trouble::Answers(answer), self.lasts);
        }
    }
}
