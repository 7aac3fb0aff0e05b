//! What must come about once nobody does anything of their own any more and nothing strikes.

use std::time::Duration;

use pool_manager_core::{PhaseName, PoolView, Time};

use crate::world::World;

/// The longest operation: a drain of 60 s, a stop of 15 s, a staging, a start that times out.
const SETTLES_WITHIN: Duration = Duration::from_secs(360);

/// Calm, then every invariant of what must come about.
///
/// # Panics
/// With the name of the one that does not.
pub(crate) fn check(world: &mut World) {
    world.calm();
    let settles = world
        .run_until(SETTLES_WITHIN, |world| world.view().pools().all(|pool| is_settled(&pool, world.now())));
    let waits: Vec<String> = world
        .view()
        .pools()
        .filter(|pool| !is_settled(pool, world.now()))
        .map(|pool| reason(&pool))
        .collect();
    assert!(settles || world.has_exited(), "L12: every pool settles ({})", waits.join("; "));
}

/// At rest, ready, or between two starts that its policy spaces; and nobody waits.
fn is_settled(pool: &PoolView<'_>, now: Time) -> bool {
    let calm = match pool.phase {
        PhaseName::Stopped | PhaseName::Held | PhaseName::Ready => true,
        PhaseName::Waiting => pool.gates.is_some_and(|gates| {
            [gates.backoff_until, gates.window_until, gates.circuit_until, gates.limiter_until]
                .into_iter()
                .any(|until| until > Some(now))
        }),
        PhaseName::Staging
        | PhaseName::Starting
        | PhaseName::Draining
        | PhaseName::Stopping
        | PhaseName::Ended => false,
    };
    calm && pool.operation.is_none() && pool.leases_queued == 0
}

fn reason(pool: &PoolView<'_>) -> String {
    format!("pool {} is {}, runs {:?}, next {:?}", pool.name, pool.phase.label(), pool.operation, pool.next)
}
