//! Sweeps of what the mission adds: reloads that work and that do not, an operator who resets and allows, CUDA
//! lines and Xids at any moment, and a supervisor that is killed and started again.

use std::time::Duration;

use pool_manager_core::{
    EngineSpec, LogClass, OnDrainTimeout, PoolUid, Reload, ReloadTarget, SpecHash, StageError, Verb,
};
use pool_manager_sim::{EngineHealth, EngineProfile, Operator, Span, StagingProfile, TermBehaviour, World};

use crate::busy_host;
use crate::sweep::comes_to_rest;

const SEEDS: u64 = 150;

#[test]
fn reloads_resets_and_gpu_faults_break_no_invariant() {
    let mut seen = [0_u32; 3];
    for seed in 0..SEEDS {
        let (mut world, pools) = start(seed);
        for turn in 0..12 {
            let mixed = mix(seed, turn);
            world.run_for(Duration::from_millis(mixed % 9_000));
            trouble(&mut world, &pools, mixed);
            seen[0] += u32::from(world.view().pools().any(|pool| pool.previous.is_some()));
            seen[1] += u32::from(world.view().pools().any(|pool| pool.doomed || pool.suspect));
            seen[2] += u32::from(world.view().pools().any(|pool| pool.failed));
        }
        comes_to_rest(&mut world, &pools, seed);
    }
    assert!(seen.iter().all(|count| *count > 20), "commits, suspects, failed pools: {seen:?}");
}

#[test]
fn a_supervisor_that_is_killed_at_any_moment_breaks_no_invariant() {
    for seed in 0..SEEDS {
        kill_again_and_again(seed, |world, _| world.start_supervisor());
    }
}

#[test]
fn another_version_of_the_supervisor_at_any_moment_breaks_no_invariant() {
    for seed in 0..SEEDS {
        kill_again_and_again(seed, |world, turn| {
            if turn % 2 == 0 { world.start_other_version() } else { world.start_supervisor() }
        });
    }
}

fn kill_again_and_again(seed: u64, again: impl Fn(&mut World, u64)) {
    let (mut world, pools) = lives(seed, again);
    comes_to_rest(&mut world, &pools, seed);
}

/// A run in which the supervisor is killed and started again, in this way.
pub(crate) fn lives(seed: u64, again: impl Fn(&mut World, u64)) -> (World, Vec<PoolUid>) {
    let (mut world, pools) = start(seed);
    world.keep_journal();
    for turn in 0..10 {
        let mixed = mix(seed, turn);
        world.run_for(Duration::from_millis(mixed % 9_000));
        trouble(&mut world, &pools, mixed);
        world.kill_supervisor();
        world.run_for(Duration::from_millis((mixed >> 8) % 4_000));
        again(&mut world, turn);
    }
    (world, pools)
}

fn mix(seed: u64, turn: u64) -> u64 {
    // Any moments will do, as long as they are the seed's.
    (seed * 16 + turn).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

/// Something happens to a GPU, or seems to.
fn trouble(world: &mut World, pools: &[PoolUid], mixed: u64) {
    let pool = pools[(mixed % 2) as usize];
    if mixed.is_multiple_of(3) {
        world.log_line(pool, LogClass::CudaError);
    }
    if mixed.is_multiple_of(5) {
        world.gpu_fault(pool, 79);
    }
}

/// A busy host whose operator reloads too.
fn start(seed: u64) -> (World, Vec<PoolUid>) {
    let (mut world, pools) = busy_host::start(seed);
    let mut operator = Operator::restless(Span::millis(100, 6000));
    // Every target is one pool's own: the same hash for both would be the same engine.
    for hash in [1001, 1002, 1003, 1004] {
        world.set_engine(SpecHash(hash), engine(hash, seed));
        world.set_staging(SpecHash(hash), staging(hash, seed));
        let on_drain_timeout = if hash % 2 == 0 { Some(OnDrainTimeout::Force) } else { None };
        let deadline = Some(Duration::from_millis(1500));
        let to = ReloadTarget::Spec(spec(hash));
        let reload = Reload { to, deadline, on_drain_timeout, force: hash == 1004 };
        operator.verbs.push(Verb::Reload(Box::new(reload)));
    }
    let back = Reload { to: ReloadTarget::Back, deadline: None, on_drain_timeout: None, force: false };
    operator.verbs.extend([
        Verb::Reload(Box::new(back)),
        Verb::AllowRestart,
        Verb::ResetBreaker,
        Verb::Preload,
        Verb::Preload,
    ]);
    world.set_operator(operator);
    (world, pools)
}

fn spec(hash: u64) -> EngineSpec {
    let mut engine = pool_manager_sim::test_pool("a").engine;
    engine.hash = SpecHash(hash);
    engine.catalog.model = format!("model-{hash}");
    engine
}

fn engine(hash: u64, seed: u64) -> EngineProfile {
    EngineProfile {
        load: Span::millis(0, if hash == 1002 { 9000 } else { 1500 }),
        health: if hash == 1003 { EngineHealth::Hangs } else { EngineHealth::Healthy },
        term: if seed.is_multiple_of(3) {
            TermBehaviour::Ignores
        } else {
            TermBehaviour::Exits(Span::millis(0, 100))
        },
        spawn_fails_one_in: 6,
        sticks_one_in: if seed.is_multiple_of(5) { 10 } else { 0 },
        ..EngineProfile::default()
    }
}

fn staging(hash: u64, seed: u64) -> StagingProfile {
    StagingProfile {
        fetch: hash != 1001,
        takes: Some(Span::millis(0, 3000)),
        fails: if hash == 1004 && seed.is_multiple_of(2) { Some(StageError::BadDigest) } else { None },
        ..StagingProfile::default()
    }
}
