//! Random runs under every oracle: safety while everything happens at once, then, when everybody is calm,
//! what must come about.

use crate::busy_host;

use std::collections::BTreeSet;
use std::time::Duration;

use pool_manager_core::{PhaseName, PoolUid};
use pool_manager_sim::World;

const SEEDS: u64 = 150;

#[test]
fn a_busy_host_breaks_no_invariant() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let (mut world, pools) = busy_host::start(seed);
        world.run_until(busy_host::RUN, |world| {
            seen.extend(world.view().pools().map(|pool| pool.phase));
            false
        });
        comes_to_rest(&mut world, &pools, seed);
    }
    // A sweep that never got anywhere would prove nothing.
    assert_eq!(seen, PhaseName::ALL.into_iter().collect(), "every phase was seen");
}

#[test]
fn suspends_and_stalls_break_no_invariant() {
    for seed in 0..SEEDS {
        let (mut world, pools) = busy_host::start(seed);
        for nap in 0..8 {
            let mixed = mix(seed * 8 + nap);
            world.run_for(Duration::from_millis(mixed % 15_000));
            if mixed.is_multiple_of(2) {
                world.suspend(Duration::from_millis(mixed % 900_000));
            } else {
                world.stall(Duration::from_millis(2_000 + mixed % 20_000));
            }
        }
        comes_to_rest(&mut world, &pools, seed);
    }
}

#[test]
fn a_shutdown_at_any_moment_ends() {
    for seed in 0..SEEDS {
        let (mut world, _) = busy_host::start(seed);
        world.run_for(Duration::from_millis(seed * 50));
        world.shut_down();
        if seed.is_multiple_of(4) {
            world.run_for(Duration::from_millis(seed));
            world.shut_down();
        }
        // A drain of up to 10 s, then the ladder of 15 s, twice for an engine that was being started.
        let ended = world.run_until(Duration::from_secs(60), World::has_exited);
        assert!(ended, "L09: seed {seed}: a shutdown ends; {:?}", phases(&world));
    }
}

/// When nobody acts any more, every pool settles where nobody waits for it: at rest, ready, or between two
/// starts that its policy spaces.
pub(crate) fn comes_to_rest(world: &mut World, pools: &[PoolUid], seed: u64) {
    world.calm();
    // The longest operation: a drain of 60 s, a stop of 15 s, a staging, a start that times out.
    world.run_for(Duration::from_secs(180));
    let settled = |world: &World| {
        pools.iter().filter_map(|uid| world.view().pool(*uid)).all(|pool| {
            let calm = match pool.phase {
                PhaseName::Stopped | PhaseName::Held | PhaseName::Ready => true,
                PhaseName::Waiting => pool.gates.is_some_and(|gates| {
                    [gates.backoff_until, gates.window_until, gates.circuit_until, gates.limiter_until]
                        .into_iter()
                        .any(|until| until > Some(world.now()))
                }),
                PhaseName::Staging
                | PhaseName::Starting
                | PhaseName::Draining
                | PhaseName::Stopping
                | PhaseName::Ended => false,
            };
            calm && pool.operation.is_none() && pool.leases_queued == 0
        })
    };
    let rests = world.run_until(Duration::from_secs(180), settled);
    assert!(rests, "L12: seed {seed}: every pool settles; {:?}", phases(world));
}

/// Any moments will do, as long as they are the seed's.
const fn mix(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

fn phases(world: &World) -> Vec<(String, PhaseName)> {
    world.view().pools().map(|pool| (pool.name.to_string(), pool.phase)).collect()
}
