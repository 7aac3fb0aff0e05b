//! Somebody names a lease that never was: of another incarnation, of another pool, of a number not given out, or of a
//! pool that is not there.

use std::time::Duration;

use pool_manager_core::{LeaseId, PoolUid};
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// An end and a renewal of such a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientErrs {
    /// Whose lease it is made of.
    pool: Place,
    /// Which of the active ones; the first comes again after the last.
    nth: u32,
    wrong: Wrong,
}

/// What is wrong with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wrong {
    Incarnation,
    Number,
    Pool,
    PoolAndNumber,
}

impl Strikes for ClientErrs {
    const MEANS: &'static str = "a client names a lease that never was";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.pick(stream, |pool| pool.leases_active > 0)?;
        let wrong = *stream.pick(&[Wrong::Incarnation, Wrong::Number, Wrong::Pool, Wrong::PoolAndNumber])?;
        Some(Self { pool, nth: stream.below(16), wrong })
    }

    fn strike(&self, world: &mut World) {
        let lease = world.at(self.pool).and_then(|pool| world.lease_of(pool, self.nth));
        let Some(LeaseId { mut engine, mut sequence }) = lease else { return };
        match self.wrong {
            Wrong::Incarnation => engine.incarnation.n += 1,
            Wrong::Number => sequence += 1_000_000,
            // No plan has so many pools.
            Wrong::Pool => engine.pool = PoolUid(1_000_000),
            Wrong::PoolAndNumber => (engine.pool, sequence) = (PoolUid(1_000_000), u64::MAX),
        }
        let lease = LeaseId { engine, sequence };
        world.send_renewal(lease, None, Duration::ZERO);
        world.send_ends(lease, 1);
    }
}
