//! Somebody ends a lease: its holder twice, or somebody whose lease it is not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// Ends of one lease in one instant. Its holder will end it once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEnds {
    pool: Place,
    /// Which of the active ones; the first comes again after the last.
    nth: u32,
    times: u32,
}

impl Strikes for ClientEnds {
    const MEANS: &'static str = "a lease is ended twice, or by another";
    const EVERY: Duration = Duration::from_secs(45);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.pick(stream, |pool| pool.leases_active > 0)?;
        Some(Self { pool, nth: stream.below(16), times: 1 + stream.below(3) })
    }

    fn strike(&self, world: &mut World) {
        let lease = world.at(self.pool).and_then(|pool| world.lease_of(pool, self.nth));
        if let Some(lease) = lease {
            world.send_ends(lease, self.times);
        }
    }
}
