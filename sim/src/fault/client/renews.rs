//! A holder renews its lease: for longer than anybody lives, for no time, during a drain, or when it is over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ttl::Ttl;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// A renewal of one lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRenews {
    pool: Place,
    /// Which of the active ones; the first comes again after the last.
    nth: u32,
    ttl: Ttl,
    /// How long after; the lease may be over by then.
    #[serde(with = "duration")]
    after: Duration,
}

impl Strikes for ClientRenews {
    const MEANS: &'static str = "a lease is renewed oddly, or late";
    const EVERY: Duration = Duration::from_secs(45);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.pick(stream, |pool| pool.leases_active > 0)?;
        let after = if stream.one_in(2) { Duration::ZERO } else { stream.span(Span::millis(1, 20_000)) };
        Some(Self { pool, nth: stream.below(16), ttl: Ttl::draw(stream), after })
    }

    fn strike(&self, world: &mut World) {
        let lease = world.at(self.pool).and_then(|pool| world.lease_of(pool, self.nth));
        if let Some(lease) = lease {
            world.send_renewal(lease, self.ttl.span(), self.after);
        }
    }
}
