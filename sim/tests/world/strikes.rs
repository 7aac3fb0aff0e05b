//! What single strikes do to a small host, written as plans write them.

use std::time::Duration;

use pool_manager_core::{
    CrashClass, HoldReason, HostConfig, Memory, Outcome, PhaseName, PoolUid, PoolView, Priority, ReleaseGate,
    Verb,
};
use pool_manager_sim::fault::Fault;
use pool_manager_sim::{EngineProfile, Latencies, Span, Traffic, TurnOrder, World, WorldConfig, test_pool};

/// Pools `a` and `b` on GPU 0 and `c` on GPU 1, all ready, probed every second with a time-out of half a second.
fn host() -> (World, [PoolUid; 3]) {
    let config = WorldConfig {
        seed: 1,
        host: HostConfig::default(),
        latencies: Latencies { probe: Span::millis(100, 100), ..Latencies::NONE },
        order: TurnOrder::Driver,
    };
    let mut world = World::new(config);
    let pools = [("a", "0", 1), ("b", "0", 2), ("c", "1", 3)].map(|(name, gpu, port)| {
        let mut spec = test_pool(name);
        spec.autostart = true;
        spec.engine.device_mask = vec![gpu.to_owned()];
        spec.engine.port = Some(8000 + port);
        spec.policy.liveness.interval = Duration::from_secs(1);
        spec.policy.liveness.timeout = Duration::from_millis(500);
        spec.policy.lease.slots = 2;
        world.register(spec, EngineProfile::default()).expect("names and ports differ")
    });
    let ready = |world: &World| world.view().pools().all(|pool| pool.phase == PhaseName::Ready);
    assert!(world.run_until(seconds(20), ready));
    (world, pools)
}

fn strike(world: &mut World, text: &str) {
    let fault: Fault = toml::from_str(text).expect("it is a strike");
    fault.strike(world);
}

const fn seconds(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn pool(world: &World, uid: PoolUid) -> PoolView<'_> {
    world.view().pool(uid).expect("it is registered")
}

fn phase(world: &World, uid: PoolUid) -> PhaseName {
    pool(world, uid).phase
}

fn comes_up(world: &mut World, uid: PoolUid, within: Duration) -> bool {
    world.run_until(within, |world| phase(world, uid) == PhaseName::Ready)
}

fn class(world: &World, uid: PoolUid) -> Option<CrashClass> {
    pool(world, uid).last_error.map(|error| error.verdict.class)
}

#[test]
fn a_lost_gpu_takes_its_engines_and_lets_none_start_until_it_heals() {
    let (mut world, [a, b, c]) = host();
    strike(
        &mut world,
        r#"fault = "gpu-lost"
        device = "0"
        lasts = "20s"
        engines = "abort"
        after = "1s""#,
    );
    world.run_for(Duration::from_millis(1500));
    assert_eq!([a, b].map(|one| class(&world, one)), [Some(CrashClass::Cuda(Some(79))); 2]);
    world.run_for(seconds(10));
    for one in [a, b] {
        let gates = pool(&world, one).gates.expect("it waits");
        assert!(matches!(gates.release, ReleaseGate::HostProblem { .. }), "{gates:?}");
    }
    assert_eq!(phase(&world, c), PhaseName::Ready, "it is on another GPU");
    assert!(comes_up(&mut world, a, seconds(40)) && comes_up(&mut world, b, seconds(40)));
}

#[test]
fn memory_that_lingers_holds_whoever_shares_the_gpu() {
    let (mut world, [a, b, c]) = host();
    strike(&mut world, "fault = \"gpu-lingering\"\npool = \"a\"\nlingers = \"15s\"");
    for one in [a, b, c] {
        world.command(one, Verb::Restart);
    }
    world.run_for(seconds(10));
    assert_eq!([a, b, c].map(|one| phase(&world, one) == PhaseName::Ready), [false, false, true]);
    assert!(comes_up(&mut world, a, seconds(15)) && comes_up(&mut world, b, seconds(15)));
    assert_eq!(class(&world, b), None, "it waited, and did not crash");
}

#[test]
fn a_stale_report_lets_an_engine_run_out_of_memory() {
    let (mut world, [a, ..]) = host();
    strike(&mut world, "fault = \"gpu-stale\"\ndevice = \"0\"\nlasts = \"30s\"\ntaken = \"10s\"");
    world.command(a, Verb::Restart);
    world.run_for(seconds(5));
    assert_eq!(class(&world, a), Some(CrashClass::OutOfMemory(Memory::Gpu)));
    assert!(comes_up(&mut world, a, seconds(60)));
}

#[test]
fn a_look_that_hangs_keeps_a_pool_down_only_as_long() {
    let (mut world, [a, ..]) = host();
    strike(&mut world, "fault = \"gpu-silent\"\nlasts = \"50s\"");
    world.command(a, Verb::Restart);
    world.run_for(seconds(35));
    assert_eq!(pool(&world, a).held, Some(HoldReason::NotReleased), "nobody answered for 30 s");
    assert!(comes_up(&mut world, a, seconds(60)));
}

#[test]
fn names_of_gpus_that_change_places_move_what_is_on_them() {
    let (mut world, [a, _, c]) = host();
    strike(&mut world, "fault = \"gpu-crowded\"\ndevice = \"0\"\nlasts = \"20s\"");
    strike(&mut world, "fault = \"gpu-order\"\none = \"0\"\nother = \"1\"\nlasts = \"20s\"");
    for one in [a, c] {
        world.command(one, Verb::Restart);
    }
    world.run_for(seconds(10));
    assert_eq!([a, c].map(|one| phase(&world, one) == PhaseName::Ready), [true, false]);
}

#[test]
fn a_port_that_a_stranger_took_is_waited_for() {
    let (mut world, [a, ..]) = host();
    strike(&mut world, "fault = \"network-port\"\npool = \"a\"\npid = 77\nlasts = \"20s\"");
    world.command(a, Verb::Restart);
    world.run_for(seconds(10));
    let gates = pool(&world, a).gates.expect("it waits");
    assert!(
        matches!(gates.release, ReleaseGate::PortStranger { port: 8001, pid: Some(77), .. }),
        "{gates:?}"
    );
    assert!(comes_up(&mut world, a, seconds(40)));
}

#[test]
fn ways_that_are_bad_for_long_end_engines_and_ways_that_are_slow_do_not() {
    let cases = [
        ("fault = \"network-refused\"\npool = \"a\"\nlasts = \"9s\"", true),
        ("fault = \"network-hang\"\npool = \"a\"\nlasts = \"9s\"", true),
        ("fault = \"network-half-open\"\npool = \"a\"\nlasts = \"9s\"", true),
        ("fault = \"network-torn\"\npool = \"a\"\nlasts = \"9s\"\nstatus = 200", true),
        ("fault = \"network-status\"\npool = \"a\"\nlasts = \"9s\"\nstatus = 502", true),
        ("fault = \"network-busy\"\npool = \"a\"\nlasts = \"9s\"", true),
        ("fault = \"network-loopback\"\nlasts = \"9s\"\nrefused = false", true),
        ("fault = \"network-latency\"\npool = \"a\"\nlasts = \"9s\"\nby = \"450ms\"", true),
        ("fault = \"network-latency\"\npool = \"a\"\nlasts = \"9s\"\nby = \"350ms\"", false),
        ("fault = \"network-refused\"\npool = \"a\"\nlasts = \"1500ms\"", false),
        ("fault = \"network-late-news\"\npool = \"a\"\nlasts = \"9s\"\nby = \"200ms\"", false),
        ("fault = \"network-late-news\"\npool = \"a\"\nlasts = \"9s\"\nby = \"9s\"", true),
    ];
    for (text, ends) in cases {
        let (mut world, [a, ..]) = host();
        strike(&mut world, text);
        world.run_for(seconds(9));
        let class = class(&world, a);
        assert_eq!(class, ends.then_some(CrashClass::Unhealthy), "{text}");
        assert!(comes_up(&mut world, a, seconds(60)), "{text}");
    }
}

#[test]
fn calm_ends_what_is_wrong_with_the_host() {
    let (mut world, pools) = host();
    strike(&mut world, "fault = \"gpu-driver\"\nlasts = \"1h\"");
    strike(&mut world, "fault = \"gpu-divided\"\ndevice = \"0\"\nlasts = \"1h\"");
    strike(&mut world, "fault = \"gpu-crowded\"\ndevice = \"1\"\nlasts = \"1h\"");
    strike(&mut world, "fault = \"network-port\"\npool = \"a\"\npid = 77\nlasts = \"1h\"");
    strike(&mut world, "fault = \"network-loopback\"\nlasts = \"1h\"\nrefused = true");
    world.run_for(seconds(60));
    assert!(pools.iter().all(|one| phase(&world, *one) != PhaseName::Ready));
    world.calm();
    assert!(pools.into_iter().all(|one| comes_up(&mut world, one, seconds(120))));
}

#[test]
fn a_pool_that_was_deregistered_comes_back_to_its_place_with_its_clients() {
    let (mut world, [a, b, _]) = host();
    let traffic = Traffic {
        every: Span::millis(100, 100),
        work: Span::millis(10, 10),
        forgets_one_in: 0,
        renews_one_in: 0,
        withdraws_one_in: 0,
        ttl: None,
    };
    world.set_traffic(a, traffic);
    strike(&mut world, "fault = \"operator-register\"\npool = \"a\"\nautostart = true");
    assert_eq!(world.places()[0], a, "it is there already, and stays");
    strike(&mut world, "fault = \"operator-deregister\"\npool = \"a\"");
    assert!(world.run_until(seconds(5), |world| world.view().pool(a).is_none()));
    strike(&mut world, "fault = \"operator-register\"\npool = \"a\"\nautostart = true");
    let again = world.places()[0];
    assert!(again != a && world.places()[1] == b);
    assert!(comes_up(&mut world, again, seconds(10)));
    world.run_for(seconds(5));
    assert!(world.clients().book(again).is_some_and(|book| book.completed > 10), "its clients found it");
}

#[test]
fn every_model_a_reload_may_name_comes_out_as_it_says() {
    let cases = [
        ("better", "completed"),
        ("broken", "rolled back"),
        ("misconfigured", "rolled back"),
        ("elsewhere", "completed"),
        ("fragile", "completed"),
        ("never-ready", "rolled back"),
        ("slow", "completed"),
        ("stages-long", "completed"),
        ("stages-never", "failed"),
        ("twin", "completed"),
        ("unfit", "failed"),
        ("unstageable", "failed"),
        ("same", "completed"),
        ("first", "completed"),
    ];
    for (model, expected) in cases {
        let (mut world, [a, ..]) = host();
        let text = format!(
            "fault = \"operator-reload\"\npool = \"a\"\nto = \"{model}\"\ntakes = \"9s\"\nforce = false"
        );
        strike(&mut world, &text);
        let over =
            |world: &World| pool(world, a).last_operation.is_some() && pool(world, a).operation.is_none();
        assert!(world.run_until(seconds(500), over), "{model}");
        let last = pool(&world, a).last_operation.and_then(|id| world.view().operation(id));
        let outcome = last.and_then(|operation| operation.ended.as_ref()).map(|(_, outcome)| outcome);
        let came_out = match outcome {
            Some(Outcome::Completed) => "completed",
            Some(Outcome::RolledBack { .. }) => "rolled back",
            Some(Outcome::Failed { .. }) => "failed",
            other => panic!("{model}: {other:?}"),
        };
        assert_eq!(came_out, expected, "{model}");
    }
}

#[test]
fn more_clients_than_slots_are_served_one_after_the_other() {
    let (mut world, [a, ..]) = host();
    strike(&mut world, "fault = \"client-burst\"\npool = \"a\"\nasks = 10\nstays = \"1s\"");
    assert_eq!((pool(&world, a).leases_active, pool(&world, a).leases_queued), (2, 8));
    world.run_for(seconds(6));
    assert_eq!(world.clients().book(a).map(|book| book.completed), Some(10));
}

#[test]
fn asks_taken_back_in_their_own_instant_leave_nothing_behind() {
    let (mut world, [a, ..]) = host();
    strike(
        &mut world,
        "fault = \"client-burst\"\npool = \"a\"\nasks = 10\nstays = \"1s\"\nwithdraws = \"0s\"",
    );
    world.run_for(seconds(6));
    let book = world.clients().book(a).expect("some were granted before they were taken back");
    assert_eq!((book.granted, book.active.len(), pool(&world, a).leases_queued), (book.completed, 0, 0));
}

#[test]
fn leases_end_once_however_often_and_by_whom_they_are_ended() {
    let (mut world, [a, ..]) = host();
    for ttl in ["absurd", "engine", "century"] {
        strike(&mut world, &format!("fault = \"client-forgets\"\npool = \"a\"\nasks = 1\nttl = \"{ttl}\""));
        strike(&mut world, "fault = \"client-unknown\"\npool = \"a\"\nnth = 0\nwrong = \"incarnation\"");
        assert_eq!(pool(&world, a).leases_active, 1, "it was another lease");
        strike(&mut world, "fault = \"client-ends\"\npool = \"a\"\nnth = 5\ntimes = 3");
    }
    world.ask_lease(a, Priority::Batch, None);
    strike(
        &mut world,
        "fault = \"client-renews\"\npool = \"a\"\nnth = 0\nttl = \"nanosecond\"\nafter = \"0s\"",
    );
    world.run_for(seconds(1));
    let totals = pool(&world, a).lease_totals;
    assert_eq!((totals.granted, totals.completed, totals.expired), (4, 3, 1));
}
