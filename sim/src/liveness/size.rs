//! L15: a host at rest is as small as at its start, but for histories, which are bounded. What is left behind of every
//! lease, spawn or operation would show here after thousands of them.

use crate::world::World;

/// Books that no pool owns: limiter, quarantine, clocks.
const HOST: usize = 4 * 1024;
/// A pool with its two specs, policy, deadlines, and the evidence of its last error.
const POOL: usize = 4 * 1024;
/// One start within the window or one out-of-memory end.
const INSTANT: usize = 16;
/// An active lease, with its places in every order.
const LEASE: usize = 192;
/// The last leases that did not complete are kept, so many and so large at most.
const ENDINGS: (usize, usize) = (1024, 32);

/// Compares the state with what it may be.
///
/// # Panics
/// With L15.
pub(super) fn is_as_at_the_start(world: &World) {
    if world.has_exited() || world.is_down() || world.view().pools().next().is_none() {
        return;
    }
    let mut most = HOST + world.size_of_outcomes();
    let mut ended = 0;
    for pool in world.view().pools() {
        let totals = pool.lease_totals;
        ended += totals.expired + totals.cut + totals.lost;
        let windows = pool.policy.restart.window_restarts.max(pool.policy.restart.oom_storm_ends) + 64;
        most += POOL + INSTANT * windows as usize + LEASE * pool.leases_active as usize;
    }
    // Those of pools that were forgotten are kept as well.
    let gone = world.places().iter().any(|uid| world.view().pool(*uid).is_none());
    let endings =
        if gone { ENDINGS.0 } else { usize::try_from(ended).map_or(ENDINGS.0, |n| n.min(ENDINGS.0)) };
    most += endings * ENDINGS.1;
    let size = world.size();
    if size > most {
        world
            .fail(&format!("L15: a host at rest is as small as at its start ({size} bytes, {most} at most)"));
    }
}
