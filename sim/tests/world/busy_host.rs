//! A small busy host: two pools, clients that come and go, engines that die, a restless operator.

use std::time::Duration;

use pool_manager_core::{ExitStatus, HostConfig, LogClass, PoolUid, SpawnError, Verb};
use pool_manager_sim::{
    Ending, EngineHealth, EngineProfile, Hazard, Latencies, Operator, Span, TermBehaviour, Traffic,
    TurnOrder, World, WorldConfig, test_pool,
};

/// Simulated time of one run.
pub(crate) const RUN: Duration = Duration::from_secs(120);

/// A whole run of [`RUN`].
pub(crate) fn run(seed: u64) -> World {
    run_with(seed, |_| {})
}

/// A whole run, after a change to the fresh world.
pub(crate) fn run_with(seed: u64, change: impl FnOnce(&mut World)) -> World {
    let (mut world, _) = start(seed);
    change(&mut world);
    world.run_for(RUN);
    world
}

/// A host in which everything has just begun. The seed also decides what kind of host it is.
pub(crate) fn start(seed: u64) -> (World, Vec<PoolUid>) {
    let order = if seed.is_multiple_of(2) { TurnOrder::Driver } else { TurnOrder::Any };
    let latencies = match seed % 5 {
        0..=2 => Latencies::busy(),
        3 => Latencies::overloaded(),
        _ => Latencies::NONE,
    };
    let host = HostConfig {
        epoch: 1,
        shutdown_deadline: Duration::from_secs(seed % 3 * 5),
        ..HostConfig::default()
    };
    let mut world = World::new(WorldConfig { seed, host, latencies, order });
    let pools = (0..2).map(|number| add_pool(&mut world, seed, number)).collect();
    let mut operator = Operator::restless(Span::millis(100, 8000));
    if seed % 7 == 3 {
        operator.verbs.push(Verb::Deregister);
    }
    world.set_operator(operator);
    (world, pools)
}

fn add_pool(world: &mut World, seed: u64, number: u64) -> PoolUid {
    let kind = seed / 2 + number;
    let mut spec = test_pool(["a", "b"][number as usize]);
    spec.autostart = kind.is_multiple_of(2);
    spec.policy.lease.queue_wait = Duration::from_secs(2);
    spec.policy.lease.queue = 3;
    spec.policy.restart.stable_after = Duration::from_secs(10);
    spec.policy.restart.restart_count_reset_after = Duration::from_secs(20);
    spec.policy.start.timeout = Duration::from_secs(6);
    if kind % 7 == 6 {
        spec.policy.liveness.interval = Duration::ZERO;
    }
    let pool = world.register(spec, profile(kind)).expect("names differ and there is no port");
    world.set_traffic(
        pool,
        Traffic {
            every: Span::millis(0, 900),
            work: Span::millis(0, 3000),
            forgets_one_in: 9,
            renews_one_in: 5,
            withdraws_one_in: 6,
            ttl: if kind.is_multiple_of(3) { Some(Duration::from_secs(4)) } else { None },
        },
    );
    pool
}

fn profile(kind: u64) -> EngineProfile {
    let oom = Ending { status: ExitStatus::Signal(9), log: Vec::new(), oom_kill: true };
    let cuda = Ending { status: ExitStatus::Signal(6), log: vec![LogClass::CudaError], oom_kill: false };
    let endings = [ExitStatus::Code(0), ExitStatus::Code(1), ExitStatus::Code(2), ExitStatus::Signal(11)];
    let endings = endings.map(Ending::plain).into_iter().chain([oom, cuda]).collect();
    EngineProfile {
        // Beyond 10 s the core has given the spawn up.
        spawn_ack: Span::millis(0, if kind % 8 == 7 { 15_000 } else { 40 }),
        load: Span::millis(0, if kind % 4 == 3 { 9000 } else { 1500 }),
        health: if kind % 6 == 5 { EngineHealth::Hangs } else { EngineHealth::Healthy },
        term: match kind % 3 {
            0 => TermBehaviour::Exits(Span::millis(0, 100)),
            1 => TermBehaviour::Exits(Span::millis(0, 7000)),
            _ => TermBehaviour::Ignores,
        },
        kill: Span::millis(0, 5),
        lingers: Span::millis(0, if kind % 5 == 1 { 3000 } else { 0 }),
        hazard: Some(Hazard { one_in: 2, after: Span::millis(0, 20_000), endings }),
        spawn_fails_one_in: 8,
        spawn_error: SpawnError::NoResources,
        sticks_one_in: if kind.is_multiple_of(5) { 10 } else { 0 },
    }
}
