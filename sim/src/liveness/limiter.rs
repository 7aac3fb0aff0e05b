//! L11: whoever waits for room among those that load is woken when a load ends, and not by the look it takes a
//! minute later.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{PhaseName, PoolUid, PoolView, ReleaseGate, Time};

use crate::world::World;

/// Whoever waits for room looks again after so long; a wait of another length is for restarts that are too many.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Pools that wait for room, and since when.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    seen: BTreeMap<PoolUid, Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Time,
    for_room: bool,
}

impl Waiters {
    /// Looks after a turn.
    ///
    /// # Errors
    /// When somebody waits for room that is there.
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        let (now, limiter) = (world.now(), world.limiter());
        // A wait for restarts may be as long as one for room.
        let restarts =
            |until| world.view().limiter_restarts().any(|at| at + limiter.restarts_within == until);
        let mut loads = 0;
        let mut waits = None;
        for pool in world.view().pools() {
            loads += u32::from(is_loading(&pool));
            let until = pool.gates.and_then(|gates| gates.limiter_until);
            let Some(until) = until else {
                self.seen.remove(&pool.uid);
                continue;
            };
            // Before it was seen for the first time it may have asked long ago: of that nothing is known.
            let fresh = Wait { until, for_room: until == now + LOOK_AGAIN && !restarts(until) };
            let wait = self.seen.entry(pool.uid).or_insert(fresh);
            if wait.until != until {
                *wait = fresh;
            }
            if wait.for_room && until > now {
                waits = Some(pool);
            }
        }
        match waits {
            Some(pool) if loads < limiter.loads_at_once => Err(format!(
                "L11: room among those that load wakes who waits for it (pool {} waits, {loads} load)",
                pool.name
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// As the core counts it, and more: a pool that is not limited may look as if it loaded, which only delays an alarm.
fn is_loading(pool: &PoolView<'_>) -> bool {
    let passed = |release: ReleaseGate| release != ReleaseGate::Unasked;
    match pool.phase {
        PhaseName::Starting => true,
        PhaseName::Waiting => {
            pool.gates.is_some_and(|gates| gates.limiter_until.is_none() && passed(gates.release))
        }
        PhaseName::Stopped
        | PhaseName::Staging
        | PhaseName::Ready
        | PhaseName::Draining
        | PhaseName::Stopping
        | PhaseName::Ended
        | PhaseName::Held => false,
    }
}
