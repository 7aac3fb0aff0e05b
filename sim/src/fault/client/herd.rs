//! Everybody asks everywhere at once, as clients do that all waited for the same moment.

use std::time::Duration;

use pool_manager_core::PoolUid;
use serde::{Deserialize, Serialize};

use crate::clients::Stay;
use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::{Asks, World};

/// Lease asks at every pool in one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHerd {
    asks: u32,
    #[serde(with = "duration")]
    stays: Duration,
}

impl Strikes for ClientHerd {
    const MEANS: &'static str = "everybody asks everywhere at once";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::from_secs(10);

    fn draw(_: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { asks: 1 + stream.below(10), stays: stream.span(Span::millis(0, 5000)) })
    }

    fn strike(&self, world: &mut World) {
        let (asks, stays) = (self.asks, Stay::For(self.stays));
        let pools: Vec<PoolUid> = world.places().to_vec();
        for pool in pools {
            world.ask_many(pool, Asks { asks, priority: None, ttl: None, stays, withdraws: None });
        }
    }
}
