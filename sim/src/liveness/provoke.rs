//! Things that are done to a calm host, and that it must answer within a bound.

use std::time::Duration;

use pool_manager_core::{ExitStatus, PhaseName, PoolUid, PoolView, Verb, Wanted};

use super::bounds;
use super::settle;
use super::watch::{Watch, describe};
use crate::engine::{Ending, EngineHealth};
use crate::random::Stream;
use crate::world::World;

/// L07: a pool that waits for a circuit, or for its backoff, is let go.
pub(super) fn let_restart(world: &mut World, watch: &mut Watch) {
    let waits = |pool: &PoolView<'_>| {
        let later =
            pool.gates.is_some_and(|gates| gates.circuit_until.max(gates.backoff_until) > Some(world.now()));
        pool.wanted == Wanted::Up && pool.phase == PhaseName::Waiting && later
    };
    let Some(pool) = world.view().pools().find(waits).filter(|_| !world.is_down() && !world.has_exited())
    else {
        return;
    };
    let (uid, within) = (pool.uid, bounds::allowed_start(&pool, world));
    world.command(uid, Verb::ResetBreaker);
    world.command(uid, Verb::AllowRestart);
    expect(world, watch, uid, within, "L07: a restart that is allowed comes", |pool| {
        pool.phase != PhaseName::Waiting
    });
}

/// L05, the hang: it is noticed by probes, and readiness withdrawn.
pub(super) fn hang(world: &mut World, watch: &mut Watch, draws: &mut Stream) {
    let Some(uid) = pick_ready(world, draws, |pool| {
        let liveness = &pool.policy.liveness;
        !liveness.interval.is_zero() && liveness.failures > 0
    }) else {
        return;
    };
    let within = world.view().pool(uid).map(|pool| bounds::probes_fail(&pool)).unwrap_or_default();
    world.set_health(uid, EngineHealth::Hangs);
    expect(world, watch, uid, within, "L05: a hang withdraws readiness", |pool| !pool.health.ready);
    settle::settle(world, watch);
}

/// L05, the crash, which `watch` looks at; and everything comes back.
pub(super) fn crash(world: &mut World, watch: &mut Watch, draws: &mut Stream) {
    let Some(uid) = pick_ready(world, draws, |_| true) else { return };
    world.crash(uid, Ending::plain(ExitStatus::Signal(11)));
    expect(world, watch, uid, bounds::LAG, "L05: a crash withdraws readiness at once", |pool| {
        !pool.health.ready
    });
    settle::settle(world, watch);
}

/// L09.
pub(super) fn shut_down(world: &mut World, watch: &mut Watch) {
    if world.has_exited() {
        return;
    }
    let within = bounds::shutdown(world);
    world.shut_down();
    let over = world.run_until(within, |world| {
        watch.look(world);
        world.has_exited()
    });
    if !over {
        let left: Vec<String> = world.view().pools().map(|pool| describe(&pool)).collect();
        world.fail(&format!("L09: a shutdown ends within {within:?} ({})", left.join("; ")));
    }
}

fn pick_ready(world: &World, draws: &mut Stream, is: impl Fn(&PoolView<'_>) -> bool) -> Option<PoolUid> {
    let ready: Vec<PoolUid> =
        world.view().pools().filter(|pool| pool.health.ready && is(pool)).map(|pool| pool.uid).collect();
    draws.pick(&ready).copied()
}

/// Runs until it is so of a pool, or the pool is gone.
fn expect(
    world: &mut World,
    watch: &mut Watch,
    uid: PoolUid,
    within: Duration,
    name: &str,
    is_so: impl Fn(&PoolView<'_>) -> bool,
) {
    let came = world.run_until(within, |world| {
        watch.look(world);
        world.view().pool(uid).is_none_or(|pool| is_so(&pool))
    });
    if !came && !world.has_exited() {
        let where_it_is = world.view().pool(uid).map(|pool| describe(&pool)).unwrap_or_default();
        world.fail(&format!("{name}: not within {within:?} ({where_it_is})"));
    }
}
