//! The supervisor dies in the middle of its work, its journal fails it, the host loses power: what its next start
//! finds, and what it makes of it.

use std::time::Duration;

use pool_manager_core::{
    EngineRef, ExitStatus, FileKind, PhaseName, PoolUid, Priority, Signal, Verb, Wanted,
};
use pool_manager_sim::{
    Crash, CrashPoint, EffectKind, Ending, Ends, EngineProfile, FileTrouble, InFlight, Latencies, Span,
    Start, Timers, TurnOrder, Unacknowledged, Version, World, WorldConfig, test_pool,
};

const SECOND: Duration = Duration::from_secs(1);

fn world(autostart: bool) -> (World, PoolUid) {
    let host = pool_manager_core::HostConfig { epoch: 1, ..Default::default() };
    let latencies = Latencies { file: Span::millis(10, 10), ..Latencies::NONE };
    let mut world = World::new(WorldConfig { seed: 1, host, latencies, order: TurnOrder::Driver });
    let mut spec = test_pool("a");
    spec.autostart = autostart;
    let pool = world.register(spec, EngineProfile::default()).expect("a fresh host takes any pool");
    world.keep_journal();
    (world, pool)
}

fn ready() -> (World, PoolUid) {
    let (mut world, pool) = world(true);
    assert!(world.run_until(10 * SECOND, |world| phase(world, pool) == PhaseName::Ready));
    world.run_for(SECOND);
    (world, pool)
}

fn phase(world: &World, pool: PoolUid) -> PhaseName {
    world.view().pool(pool).expect("nobody deregisters it").phase
}

fn engine(world: &World, pool: PoolUid) -> EngineRef {
    world.processes().newest(pool).expect("one was made").engine
}

fn crash(point: CrashPoint) -> Crash {
    Crash { point, down_for: SECOND, next: Start::default(), again: 0 }
}

fn is_up(world: &World) -> bool {
    !world.is_down()
}

#[test]
fn a_process_whose_spawn_nobody_heard_of_is_adopted_or_killed_and_made_again() {
    for (unacknowledged, processes) in [(Unacknowledged::Adopted, 1), (Unacknowledged::Killed, 2)] {
        let (mut world, pool) = world(false);
        let next = Start { unacknowledged, ..Start::default() };
        world.crash_supervisor(Crash { next, ..crash(CrashPoint::After(EffectKind::Spawn)) });
        world.command(pool, Verb::Preload);
        assert!(world.is_down());
        let first = engine(&world, pool);
        assert!(!world.processes().of(first).expect("it was made").acknowledged);
        assert!(world.run_until(20 * SECOND, |world| phase(world, pool) == PhaseName::Ready));
        assert_eq!(world.processes().iter().count(), processes);
        let view = world.view().pool(pool).expect("it is there");
        assert_eq!(
            (view.crashes_total, view.failures),
            (0, 0),
            "it was the supervisor's end, not the engine's"
        );
    }
}

#[test]
fn an_effect_that_was_lost_is_asked_for_again() {
    let (mut world, pool) = world(false);
    world.crash_supervisor(crash(CrashPoint::Before(EffectKind::Spawn)));
    world.command(pool, Verb::Preload);
    assert!(world.is_down() && world.processes().newest(pool).is_none());
    assert!(world.run_until(20 * SECOND, |world| phase(world, pool) == PhaseName::Ready));
}

#[test]
fn an_input_that_was_written_in_part_never_was_and_one_that_was_written_is_handled() {
    for (point, wanted) in
        [(CrashPoint::InputTorn(700), Wanted::Up), (CrashPoint::InputJournaled, Wanted::Down(by_stop()))]
    {
        let (mut world, pool) = ready();
        world.crash_supervisor(crash(point));
        let stop = world.command(pool, Verb::Stop);
        assert!(world.is_down() && world.answer(stop).is_none());
        assert!(world.run_until(2 * SECOND, is_up));
        assert_eq!(world.view().pool(pool).expect("it is there").wanted, wanted, "{point:?}");
    }
}

fn by_stop() -> pool_manager_core::DownBy {
    pool_manager_core::DownBy::Stop
}

#[test]
fn a_lease_whose_grant_nobody_heard_of_is_in_the_books_and_expires() {
    let (mut world, pool) = ready();
    world.crash_supervisor(crash(CrashPoint::Before(EffectKind::Reply)));
    let ask = world.ask_lease(pool, Priority::Interactive, Some(5 * SECOND));
    assert!(world.is_down() && world.answer(ask).is_none());
    assert!(world.run_until(2 * SECOND, is_up));
    assert_eq!(world.view().pool(pool).expect("it is there").leases_active, 1);
    world.run_for(30 * SECOND);
    assert_eq!(world.view().pool(pool).expect("it is there").lease_totals.expired, 1);
}

#[test]
fn a_loop_of_crashes_ends_and_the_engine_never_hears_of_it() {
    let (mut world, pool) = ready();
    let before = engine(&world, pool);
    world.crash_supervisor(Crash { again: 5, ..crash(CrashPoint::AfterEffects(1)) });
    world.run_for(60 * SECOND);
    assert_eq!(world.view().epoch(), 7, "six starts after the first");
    assert_eq!((phase(&world, pool), engine(&world, pool)), (PhaseName::Ready, before));
    assert!(world.processes().of(before).expect("it was made").signals.is_empty());
}

#[test]
fn another_version_knows_what_the_facts_of_the_last_change_say() {
    let (mut world, pool) = ready();
    world.crash(pool, Ending::plain(ExitStatus::Signal(11)));
    assert!(world.run_until(20 * SECOND, |world| phase(world, pool) == PhaseName::Ready));
    let before = engine(&world, pool);
    let next = Start { version: Version::Other, ..Start::default() };
    world.crash_supervisor(Crash { next, ..crash(CrashPoint::AtRest) });
    assert!(world.run_until(2 * SECOND, is_up));
    let view = world.view().pool(pool).expect("it is there");
    assert_eq!((view.phase, view.crashes_total), (PhaseName::Ready, 1));
    assert_eq!(engine(&world, pool), before);
}

#[test]
fn an_engine_that_ended_unseen_is_gone_whatever_is_known_of_it() {
    for (ends, crashes) in [(Ends::Known, 0), (Ends::Unknown, 1)] {
        let (mut world, pool) = ready();
        let next = Start { ends, ..Start::default() };
        world.crash_supervisor(Crash { next, ..crash(CrashPoint::AtRest) });
        world.end_engine_later(pool, SECOND / 2, Ending::plain(ExitStatus::Code(0)));
        assert!(world.run_until(2 * SECOND, is_up));
        world.run_for(SECOND / 4);
        // A clean end is none that counts; of an unknown one nobody can say that it was clean.
        assert_eq!(world.view().pool(pool).expect("it is there").crashes_total, crashes, "{ends:?}");
    }
}

#[test]
fn a_power_cut_leaves_the_disk_alone_and_what_was_promised_is_kept() {
    for lost in [0, 500, 999, 1000] {
        let (mut world, pool) = ready();
        let before = engine(&world, pool);
        let mut spec = test_pool("b");
        spec.engine.hash.0 += 1;
        let other =
            world.register(spec, EngineProfile::default()).expect("names differ and there is no port");
        world.lose_power(lost, Crash { down_for: 20 * SECOND, ..crash(CrashPoint::AtRest) });
        assert!(!world.processes().of(before).expect("it was made").is_alive());
        assert!(world.disk().file(pool, FileKind::Handoff).is_none(), "it was in memory");
        assert!(world.run_until(60 * SECOND, |world| is_up(world) && phase(world, pool) == PhaseName::Ready));
        assert!(engine(&world, pool).incarnation > before.incarnation);
        assert!(
            world.view().pool(other).is_some(),
            "its registration was answered, so it was synced: {lost}"
        );
    }
}

#[test]
fn commands_are_refused_while_the_journal_cannot_be_written_and_engines_are_kept() {
    let (mut world, pool) = ready();
    let before = engine(&world, pool);
    world.fail_journal(30 * SECOND);
    let stop = world.command(pool, Verb::Stop);
    assert!(world.answer(stop).is_none() && phase(&world, pool) == PhaseName::Ready);
    let lease = world.ask_lease(pool, Priority::Interactive, None);
    assert!(world.answer(lease).is_some(), "leases promise nothing that a crash of the host must keep");
    // It dies without having written that down, and wakes up in the past.
    world.crash_supervisor(crash(CrashPoint::AtRest));
    assert!(world.run_until(60 * SECOND, is_up));
    assert!(world.now() >= pool_manager_core::Time::ZERO + 30 * SECOND, "not before it can write its epoch");
    assert_eq!((phase(&world, pool), engine(&world, pool)), (PhaseName::Ready, before));
    assert_eq!(world.view().pool(pool).expect("it is there").leases_active, 0);
    let again = world.ask_lease(pool, Priority::Interactive, None);
    assert!(world.answer(again).is_some(), "S25 holds: it has a number of its own");
}

#[test]
fn a_flipped_bit_is_reported_and_what_is_readable_is_used() {
    for place in [0, 50, 500, 999] {
        let (mut world, pool) = ready();
        // A first restart, so that there is a segment before the one that is hit.
        world.crash_supervisor(crash(CrashPoint::AtRest));
        world.run_for(30 * SECOND);
        let before = engine(&world, pool);
        world.corrupt_journal(place, 3);
        world.crash_supervisor(crash(CrashPoint::AtRest));
        assert!(world.run_until(5 * SECOND, is_up));
        let said = world.journal_said().expect("somebody is told").to_string();
        assert!(said.starts_with("journal record "), "{said}");
        assert_eq!((phase(&world, pool), engine(&world, pool)), (PhaseName::Ready, before), "{said}");
    }
}

#[test]
fn an_answer_that_promises_something_waits_for_a_slow_disk() {
    let (mut world, pool) = ready();
    world.slow_journal_sync(3 * SECOND, 60 * SECOND);
    let stop = world.command(pool, Verb::Stop);
    assert!(world.answer(stop).is_none());
    let signalled = |world: &World| world.processes().newest(pool).is_some_and(|it| it.got(Signal::Graceful));
    assert!(world.run_until(SECOND, signalled), "acting waits for no disk");
    assert!(world.run_until(4 * SECOND, |world| world.answer(stop).is_some()));
}

#[test]
fn a_supervisor_that_was_told_to_end_is_started_again_and_starts_what_is_wanted() {
    let (mut world, pool) = ready();
    let before = engine(&world, pool);
    world.terminate(5 * SECOND);
    assert!(world.run_until(10 * SECOND, World::is_down));
    assert!(!world.processes().of(before).expect("it was made").is_alive());
    assert!(world.run_until(30 * SECOND, |world| is_up(world) && phase(world, pool) == PhaseName::Ready));
    assert!(!world.has_exited());
}

#[test]
fn calm_brings_a_dead_supervisor_up() {
    let (mut world, pool) = ready();
    world.crash_supervisor(Crash { down_for: 3600 * SECOND, ..crash(CrashPoint::AtRest) });
    world.run_for(SECOND);
    assert!(world.is_down());
    world.calm();
    assert!(is_up(&world) && phase(&world, pool) == PhaseName::Ready);
}

#[test]
fn a_late_write_is_followed_by_the_removal_that_was_asked_meanwhile() {
    let (mut world, pool) = world(true);
    world.trouble_file(pool, FileKind::Handoff, FileTrouble::Late { by: 8 * SECOND }, 4 * SECOND);
    assert!(world.run_until(10 * SECOND, |world| phase(world, pool) == PhaseName::Ready));
    // The core gives the write up after 5 s, and has it removed before it is even there.
    world.run_for(6 * SECOND);
    world.command(pool, Verb::Stop);
    world.run_for(20 * SECOND);
    assert_eq!(phase(&world, pool), PhaseName::Stopped);
    assert!(world.disk().file(pool, FileKind::Handoff).is_none());
}

#[test]
fn work_under_way_may_be_done_although_nobody_heard() {
    for (in_flight, there) in [(InFlight::Done, true), (InFlight::Lost, false)] {
        let (mut world, pool) = world(true);
        let next = Start { in_flight, ..Start::default() };
        world.crash_supervisor(Crash { next, ..crash(CrashPoint::After(EffectKind::WritePid)) });
        assert!(world.run_until(10 * SECOND, World::is_down));
        assert_eq!(world.disk().file(pool, FileKind::Pid).is_some(), there);
        assert!(world.run_until(10 * SECOND, |world| is_up(world) && phase(world, pool) == PhaseName::Ready));
        assert!(world.disk().file(pool, FileKind::Pid).is_some());
    }
}

#[test]
fn answers_that_are_lost_or_late_hold_nobody_up_for_ever() {
    let (mut world, pool) = ready();
    world.lose_answers(3);
    world.run_for(20 * SECOND);
    world.delay_answers(None, 7 * SECOND, 10 * SECOND);
    world.command(pool, Verb::Restart);
    assert!(world.run_until(120 * SECOND, |world| {
        phase(world, pool) == PhaseName::Ready
            && world.view().pool(pool).is_some_and(|it| it.operation.is_none())
    }));
}

#[test]
fn timers_that_are_held_fire_all_at_once_and_not_before() {
    let (mut world, pool) = ready();
    let probes = |world: &World| world.processes().newest(pool).map_or(0, |process| process.probes.len());
    let before = probes(&world);
    world.set_timers(Timers::Held, 60 * SECOND);
    world.run_for(59 * SECOND);
    assert_eq!(probes(&world), before);
    world.run_for(2 * SECOND);
    assert_eq!(probes(&world), before + 1);
}
