//! Clients that keep what they are granted and never end it: their leases expire, or are cut, or go with the engine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ttl::Ttl;
use crate::clients::Stay;
use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::{Asks, World};

/// Leases nobody ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientForgets {
    pool: Place,
    asks: u32,
    ttl: Ttl,
}

impl Strikes for ClientForgets {
    const MEANS: &'static str = "clients never end their leases";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(1);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.any(stream)?, asks: 1 + stream.below(6), ttl: Ttl::draw(stream) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let (asks, ttl) = (self.asks, self.ttl.span());
        world.ask_many(pool, Asks { asks, priority: None, ttl, stays: Stay::Forgets, withdraws: None });
    }
}
