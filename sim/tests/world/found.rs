//! What sweeps and their reading found in the core, each as the shortest run that shows it.

use std::time::Duration;

use pool_manager_core::{ExitStatus, PhaseName, PoolUid, Verb};
use pool_manager_sim::{Ending, EngineProfile, Latencies, Span, TurnOrder, World, WorldConfig, test_pool};

fn ready_world(
    latencies: Latencies,
    change: impl FnOnce(&mut pool_manager_core::PoolSpec),
) -> (World, PoolUid) {
    let host = Default::default();
    let mut world = World::new(WorldConfig { seed: 1, host, latencies, order: TurnOrder::Driver });
    let mut spec = test_pool("a");
    spec.autostart = true;
    change(&mut spec);
    let pool = world.register(spec, EngineProfile::default()).expect("a fresh host takes any pool");
    assert!(world.run_until(Duration::from_secs(10), |world| phase(world, pool) == PhaseName::Ready));
    (world, pool)
}

fn phase(world: &World, pool: PoolUid) -> PhaseName {
    world.view().pool(pool).expect("nobody deregisters it").phase
}

#[test]
fn an_undrained_pool_without_liveness_probes_is_left_alone() {
    let (mut world, pool) =
        ready_world(Latencies::NONE, |spec| spec.policy.liveness.interval = Duration::ZERO);
    world.ask_lease(pool, pool_manager_core::Priority::Interactive, None);
    world.command(pool, Verb::Drain { deadline: None });
    world.command(pool, Verb::Undrain);
    let steps = world.trace().steps();
    world.run_for(Duration::from_secs(60));
    assert_eq!(phase(&world, pool), PhaseName::Ready);
    assert_eq!(world.trace().steps(), steps, "nothing was probed");
}

#[test]
fn a_preload_asked_while_a_clean_end_is_explained_starts_the_engine() {
    let latencies = Latencies { evidence: Span::millis(100, 100), ..Latencies::NONE };
    let (mut world, pool) = ready_world(latencies, |_| {});
    world.crash(pool, Ending::plain(ExitStatus::Code(0)));
    assert_eq!(phase(&world, pool), PhaseName::Ended);
    world.command(pool, Verb::Preload);
    assert!(world.run_until(Duration::from_secs(10), |world| phase(world, pool) == PhaseName::Ready));
}

#[test]
fn a_spawn_that_comes_after_its_pool_was_deregistered_leaves_no_process() {
    let host = Default::default();
    let mut world =
        World::new(WorldConfig { seed: 1, host, latencies: Latencies::NONE, order: TurnOrder::Driver });
    let mut spec = test_pool("a");
    spec.autostart = true;
    let profile =
        EngineProfile { spawn_ack: Span::exactly(Duration::from_secs(15)), ..EngineProfile::default() };
    let pool = world.register(spec, profile).expect("a fresh host takes any pool");
    // The core gives the spawn up after 10 s.
    world.run_for(Duration::from_secs(11));
    world.command(pool, Verb::Deregister);
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.processes().alive(pool).count(), 0);
}
