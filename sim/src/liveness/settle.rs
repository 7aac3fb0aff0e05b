//! A calm host comes to rest: every pool is ready, or down, or held for a reason that only people can take away; nobody
//! waits, and no process lives that no pool knows.

use std::time::Duration;

use pool_manager_core::{EngineRef, HoldReason, PhaseName, PoolView, Wanted};

use super::bounds;
use super::watch::{Watch, describe};
use crate::world::World;

/// Runs until everything is as it should be.
///
/// # Panics
/// With L01, L02, L03, L12 or L13, by what does not come about.
pub(super) fn settle(world: &mut World, watch: &mut Watch) {
    let longest = world.view().pools().map(|pool| bounds::up(&pool, world)).max();
    // What a pool that is forgotten has left behind may still have to die.
    let within = longest.unwrap_or_default().max(bounds::DIES);
    let settled = world.run_until(within, |world| {
        watch.look(world);
        is_settled(world)
    });
    if settled || world.has_exited() {
        return;
    }
    if let Some(stray) = stray(world) {
        world.fail(&format!("L13: every engine that lives is known, or killed ({stray})"));
    }
    let waits: Vec<String> =
        world.view().pools().filter(|pool| !is_at_rest(pool)).map(|pool| describe(&pool)).collect();
    let name = world.view().pools().find(|pool| !is_at_rest(pool)).map_or("L12", |pool| name_of(&pool));
    world.fail(&format!("{name}: every pool settles within {within:?} ({})", waits.join("; ")));
}

/// Stays as it is for as long as the longest count takes to be forgotten.
///
/// # Panics
/// With L14, by `watch`.
pub(super) fn stay_stable(world: &mut World, watch: &mut Watch) {
    let longest = |pool: PoolView<'_>| {
        let restart = &pool.policy.restart;
        restart.stable_after.max(restart.restart_count_reset_after).max(restart.trial_stable)
    };
    let within = world.view().pools().map(longest).max().unwrap_or_default() + Duration::from_secs(1);
    world.run_until(within, |world| {
        watch.look(world);
        false
    });
}

pub(super) fn is_settled(world: &World) -> bool {
    world.has_exited()
        || !world.is_down()
            // Whoever ends it starts it again.
            && !world.view().is_closing()
            && world.view().pools().all(|pool| is_at_rest(&pool) && !is_unseen_end(&pool, world))
            && stray(world).is_none()
}

/// Its engine ended, and the news of it is still on its way.
fn is_unseen_end(pool: &PoolView<'_>, world: &World) -> bool {
    let engine = pool.engine.map(|engine| EngineRef { pool: pool.uid, incarnation: engine.incarnation });
    engine.and_then(|engine| world.processes().of(engine)).is_some_and(|process| process.ended.is_some())
}

fn is_at_rest(pool: &PoolView<'_>) -> bool {
    let rests = match pool.phase {
        PhaseName::Stopped => pool.wanted != Wanted::Up,
        PhaseName::Held => pool.held == Some(HoldReason::Config),
        PhaseName::Ready => pool.health.ready,
        PhaseName::Staging
        | PhaseName::Waiting
        | PhaseName::Starting
        | PhaseName::Draining
        | PhaseName::Stopping
        | PhaseName::Ended => false,
    };
    rests && pool.operation.is_none() && pool.leases_queued == 0
}

/// The invariant that an unsettled pool breaks.
fn name_of(pool: &PoolView<'_>) -> &'static str {
    match (pool.phase, pool.held) {
        (PhaseName::Draining, _) => "L02",
        (PhaseName::Stopping | PhaseName::Ended, _) | (_, Some(HoldReason::Stuck)) => "L03",
        (PhaseName::Stopped | PhaseName::Ready, _) | (_, Some(HoldReason::Config)) => "L12",
        (PhaseName::Staging | PhaseName::Waiting | PhaseName::Starting | PhaseName::Held, _) => "L01",
    }
}

/// L13: a process that lives although it is not its pool's engine.
fn stray(world: &World) -> Option<String> {
    let view = world.view();
    let mut strays = world.processes().not_over().filter(|process| process.is_alive()).filter(|process| {
        let engine = view.pool(process.engine.pool).and_then(|pool| pool.engine);
        engine.is_none_or(|engine| engine.incarnation != process.engine.incarnation)
    });
    strays.next().map(|process| format!("{:?}", process.engine))
}
