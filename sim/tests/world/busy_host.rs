//! A small busy host: two pools, clients that come and go, engines that die, a restless operator.

use std::time::Duration;

use pool_manager_core::{
    EngineSpec, ExitStatus, HostConfig, LogClass, OnDrainTimeout, PoolUid, Reload, ReloadTarget, SpawnError,
    SpecHash, StageError, Verb,
};
use pool_manager_sim::{
    Ending, EngineHealth, EngineProfile, Hazard, Latencies, Operator, Span, StagingProfile, TermBehaviour,
    Traffic, TurnOrder, World, WorldConfig, test_pool,
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
    operator.verbs.extend(reloads(&mut world, seed));
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
    let restart = &mut spec.policy.restart;
    restart.circuit_failures = 3;
    restart.circuit_open = Duration::from_secs(6);
    restart.trial_stable = Duration::from_secs(4);
    if kind.is_multiple_of(4) {
        // Storms must be possible within a run.
        (restart.backoff_initial, restart.backoff_floor) = (Duration::ZERO, Duration::ZERO);
        (restart.storm_restarts, restart.window_restarts) = (4, 5);
    }
    spec.policy.restart.stable_after = Duration::from_secs(10);
    spec.policy.restart.restart_count_reset_after = Duration::from_secs(20);
    spec.policy.start.timeout = Duration::from_secs(6);
    spec.policy.start.stage_stall = Duration::from_secs(8);
    spec.policy.liveness.log_is_trusted = kind.is_multiple_of(9);
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

/// Reloads to models that are good, bad, and slow to come by, and back.
fn reloads(world: &mut World, seed: u64) -> Vec<Verb> {
    let to = |to| {
        let on_drain_timeout = if seed.is_multiple_of(3) { Some(OnDrainTimeout::Force) } else { None };
        let deadline = Some(Duration::from_millis(seed % 5 * 700));
        Verb::Reload(Box::new(Reload { to, deadline, on_drain_timeout, force: seed.is_multiple_of(2) }))
    };
    let mut verbs = vec![to(ReloadTarget::Back)];
    for number in 0..3 {
        let engine = EngineSpec { hash: SpecHash(9000 + number), ..test_pool("any").engine };
        world.set_engine(engine.hash, profile(seed + number));
        let staging = StagingProfile {
            fetch: (seed + number).is_multiple_of(2),
            takes: Some(Span::millis(0, 6000)),
            progress_every: Duration::from_millis(700),
            stalls_after: if number == 2 { Some(Duration::from_secs(2)) } else { None },
            fails: if seed % 4 == number { Some(StageError::NoSpace) } else { None },
            ..StagingProfile::default()
        };
        world.set_staging(engine.hash, staging);
        verbs.push(to(ReloadTarget::Spec(engine)));
    }
    verbs
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
        ..EngineProfile::default()
    }
}
