//! What must come about once nobody does anything of their own any more and nothing strikes: the invariants L01 to
//! L15, but for those about a registry that other hosts share.
//!
//! `plan` calls [`check`] at the end of a run. First everything settles, with a [`Watch`] looking on at every turn;
//! then, by the seed, something is done to the host that it must answer within a bound. Every bound is made of the
//! pools' own policies (`bounds`). A broken invariant panics with its name.

mod bounds;
mod limiter;
mod provoke;
mod settle;
mod size;
mod watch;

use crate::random::{Entity, Stream};
use crate::world::World;
use watch::Watch;

/// Calm, then every invariant of what must come about.
///
/// # Panics
/// With the name of the one that does not.
pub(crate) fn check(world: &mut World) {
    world.calm();
    let mut draws = Stream::new(world.seed(), Entity::Liveness);
    if world.is_down() {
        world.start_supervisor();
    }
    let mut watch = Watch::begin(world);
    if draws.one_in(3) {
        provoke::let_restart(world, &mut watch);
    }
    settle::settle(world, &mut watch);
    if draws.one_in(4) {
        provoke::hang(world, &mut watch, &mut draws);
    }
    if draws.one_in(4) {
        provoke::crash(world, &mut watch, &mut draws);
    }
    if draws.one_in(12) {
        settle::stay_stable(world, &mut watch);
    }
    size::is_as_at_the_start(world);
    if draws.one_in(3) {
        provoke::shut_down(world, &mut watch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use pool_manager_core::{ExitStatus, HostConfig, PoolSpec};

    use crate::engine::{Ending, EngineProfile};
    use crate::random::Span;
    use crate::world::{Latencies, TurnOrder, WorldConfig, test_pool};

    fn world(seed: u64, latencies: Latencies) -> (World, PoolSpec) {
        let world = World::new(WorldConfig {
            seed,
            host: HostConfig::default(),
            latencies,
            order: TurnOrder::Driver,
        });
        (world, PoolSpec { autostart: true, ..test_pool("a") })
    }

    #[test]
    fn a_host_that_is_well_keeps_every_promise_whatever_is_done_to_it() {
        for seed in 0..24 {
            let (mut world, spec) = world(seed, Latencies::busy());
            world.register(spec, EngineProfile::default()).expect("the name is free");
            world.run_for(Duration::from_secs(10));
            check(&mut world);
        }
    }

    #[test]
    #[should_panic(expected = "L01: every pool settles")]
    fn a_pool_that_never_comes_up_is_found() {
        let (mut world, mut spec) = world(1, Latencies::NONE);
        spec.policy.start.timeout = Duration::from_secs(1);
        let load = Span::exactly(Duration::from_secs(2));
        world.register(spec, EngineProfile { load, ..EngineProfile::default() }).expect("the name is free");
        let mut watch = Watch::begin(&world);
        settle::settle(&mut world, &mut watch);
    }

    #[test]
    #[should_panic(expected = "L05: a crash withdraws readiness at once")]
    fn a_dead_engine_that_goes_on_as_ready_is_found() {
        let late = Span::exactly(Duration::from_secs(60));
        let (mut world, mut spec) = world(1, Latencies { exit_notice: late, ..Latencies::NONE });
        spec.policy.liveness.interval = Duration::ZERO;
        let pool = world.register(spec, EngineProfile::default()).expect("the name is free");
        world.run_for(Duration::from_secs(10));
        let mut watch = Watch::begin(&world);
        world.run_for(Duration::from_secs(1));
        world.crash(pool, Ending::plain(ExitStatus::Signal(9)));
        // Nothing else happens that could be looked at: time goes on in small steps.
        for _ in 0..10 {
            world.run_for(Duration::from_secs(1));
            watch.look(&world);
        }
    }
}
