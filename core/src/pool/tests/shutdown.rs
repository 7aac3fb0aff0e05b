//! Shutdown: everything drains, the exit is asked exactly once, and a second one kills.

use super::*;
use crate::{DownBy, Wanted};

#[test]
fn an_empty_host_exits_at_once_and_once() {
    let mut stage = Stage::new(|_| {});
    stage.shutdown();
    assert_eq!(stage.exits, 1);
    stage.shutdown();
    stage.feed(Input::Timer);
    assert_eq!(stage.exits, 1);
}

#[test]
fn a_shutdown_drains_stops_and_exits_when_all_is_gone() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    stage.shutdown();
    stage.settle();
    assert!(stage.host.view().is_closing());
    assert_eq!((stage.phase(), stage.exits), (PhaseName::Draining, 0));
    stage.end_lease(lease);
    assert_eq!(stage.signals(), [Signal::Graceful]);
    stage.exits(ExitStatus::Signal(15));
    assert_eq!(stage.exits, 0, "its files are still there");
    stage.settle();
    assert_eq!(stage.exits, 1);
    assert_eq!(stage.effects.last(), Some(&Effect::Exit), "nothing is asked after the exit");
    assert_eq!(stage.view().wanted, Wanted::Up, "the next start goes on with it");
}

#[test]
fn without_patience_the_rest_is_cut_at_once_and_the_engine_still_has_its_grace() {
    let config = HostConfig { shutdown_deadline: Duration::ZERO, ..HostConfig::default() };
    let mut stage = Stage::on(config, |_| {});
    stage.preload();
    stage.settle();
    stage.lease();
    stage.forget();
    stage.shutdown();
    stage.pass(Duration::ZERO);
    assert_eq!((stage.view().lease_totals.cut, stage.signals()), (1, [Signal::Graceful].into()));
}

#[test]
fn at_its_deadline_the_rest_is_cut() {
    let mut stage = Stage::ready();
    stage.lease();
    let asked = stage.now;
    stage.shutdown();
    stage.settle();
    stage.tick_until(Due::DrainDeadline);
    assert_eq!(stage.now, asked + SECOND * 60);
    assert_eq!((stage.view().leases_active, stage.signals()), (0, alloc::vec![Signal::Graceful]));
}

#[test]
fn a_second_one_cuts_and_kills_in_every_phase() {
    for phase in [PhaseName::Starting, PhaseName::Ready, PhaseName::Draining, PhaseName::Stopping] {
        let mut stage = if phase == PhaseName::Starting { Stage::starting() } else { Stage::ready() };
        if phase == PhaseName::Draining {
            stage.lease();
        }
        if phase == PhaseName::Stopping {
            stage.accepted(Verb::Stop);
        }
        stage.shutdown();
        stage.shutdown();
        assert_eq!(stage.signals().last(), Some(&Signal::KillTree), "{phase:?}");
        assert_eq!(stage.view().leases_active, 0);
        stage.shutdown();
        let kills = stage.signals().iter().filter(|signal| **signal == Signal::KillTree).count();
        assert_eq!(kills, 1, "{phase:?}: never a loop of KILLs");
        stage.exits(ExitStatus::Signal(9));
        stage.settle();
        assert_eq!(stage.exits, 1);
    }
}

#[test]
fn a_second_one_kills_an_engine_that_is_still_being_made() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.shutdown();
    stage.shutdown();
    assert_eq!(stage.signals(), []);
    stage.answer_one(Ask::Spawn);
    assert_eq!(stage.signals(), [Signal::KillTree]);
}

#[test]
fn nothing_is_started_or_taken_on_any_more() {
    let mut stage = Stage::ready();
    stage.lease();
    stage.shutdown();
    for verb in [Verb::Preload, Verb::Restart, Verb::Stop, Verb::Undrain, Verb::Deregister] {
        assert_eq!(stage.refused(verb), Refusal::ShuttingDown);
    }
    assert_eq!(stage.register(spec("b")), Answer::Refused(Refusal::ShuttingDown));
    assert_eq!(stage.lease_refusal(), Refusal::ShuttingDown);
    stage.crash(ExitStatus::Code(1));
    assert_eq!((stage.phase(), stage.exits), (PhaseName::Stopped, 1), "a crash is not restarted");
}

#[test]
fn it_ends_waits_for_gates_and_holds() {
    let mut waiting = Stage::ready();
    waiting.crash(ExitStatus::Code(1));
    let mut held = Stage::starting();
    held.crash(ExitStatus::Code(2));
    for mut stage in [waiting, held] {
        stage.shutdown();
        assert_eq!((stage.phase(), stage.exits), (PhaseName::Stopped, 1));
    }
}

#[test]
fn a_stuck_engine_does_not_keep_the_supervisor() {
    let mut stage = Stage::ready();
    stage.shutdown();
    stage.settle();
    stage.tick_until(Due::StuckWait);
    assert_eq!((stage.phase(), stage.exits), (PhaseName::Held, 1));
}

#[test]
fn it_waits_for_a_spawn_that_was_given_up_and_kills_what_came_of_it() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    let spawn = stage.withhold(Ask::Spawn);
    stage.tick_until(Due::SpawnAnswer);
    stage.shutdown();
    assert_eq!(stage.exits, 0);
    stage.complete(spawn, good_answer(Ask::Spawn));
    let last = &stage.effects[stage.effects.len() - 2..];
    assert!(matches!(last, [Effect::Signal { signal: Signal::KillTree, .. }, Effect::Exit]));
}

#[test]
fn a_spawn_that_is_never_answered_holds_the_exit_up_for_10_s_only() {
    for forgotten in [false, true] {
        let mut stage = Stage::new(|_| {});
        stage.preload();
        stage.settle_until(PhaseName::Starting);
        stage.withhold(Ask::Spawn);
        stage.tick_until(Due::SpawnAnswer);
        if forgotten {
            stage.accepted(Verb::Deregister);
        }
        let asked = stage.now;
        stage.shutdown();
        let until = asked + SECOND * 10;
        assert_eq!(stage.host.poll_timeout(), Some((until, None, Due::SpawnAnswer)));
        stage.tick();
        assert_eq!((stage.now, stage.exits), (until, 1));
        assert_eq!(stage.host.poll_timeout(), None);
    }
}

#[test]
fn a_deregistration_it_supersedes_still_forgets_the_pool() {
    let mut stage = Stage::ready();
    stage.lease();
    let deregister = stage.accepted(Verb::Deregister);
    assert_eq!(stage.view().wanted, Wanted::Down(DownBy::Deregister));
    stage.shutdown();
    let by = crate::OperationKind::Shutdown;
    assert_eq!(stage.outcome(deregister), Some(Outcome::Superseded { by }));
    stage.tick_until(Due::DrainDeadline);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert!(stage.host.view().pool(stage.pool).is_none());
    assert_eq!(stage.exits, 1);
}

#[test]
fn every_pool_goes_down_by_itself_and_the_last_one_ends_it() {
    let mut stage = Stage::ready();
    let mut other = spec("b");
    other.engine.port = None;
    stage.register(other);
    stage.pool = PoolUid(2);
    stage.preload();
    stage.settle();
    let lease = stage.lease();
    stage.shutdown();
    stage.pool = PoolUid(1);
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!(stage.exits, 0);
    stage.pool = PoolUid(2);
    stage.end_lease(lease);
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!(stage.exits, 1);
}

#[test]
fn observers_hear_that_the_supervisor_goes_down_and_that_it_is_forced() {
    let mut stage = Stage::ready();
    stage.lease();
    let told = |stage: &Stage, forced| stage.heard(|kind| *kind == EventKind::ShutdownStarted { forced });
    stage.shutdown();
    assert_eq!((told(&stage, false), told(&stage, true)), (1, 0));
    stage.shutdown();
    assert_eq!((told(&stage, false), told(&stage, true)), (1, 1));
}

#[test]
fn an_orphan_that_ends_is_one_less_to_wait_for() {
    // Two pools are forgotten while their spawns, which were given up, may still make engines.
    let mut stage = Stage::new(|_| {});
    let mut other = spec("b");
    other.engine.port = None;
    stage.register(other);
    let mut spawns = Vec::new();
    for pool in [PoolUid(1), PoolUid(2)] {
        stage.pool = pool;
        stage.preload();
        stage.settle_until(PhaseName::Starting);
        let engine = stage.engine();
        spawns.push((stage.withhold(Ask::Spawn), engine));
        stage.tick_until(Due::SpawnAnswer);
        let before = stage.host.view().version();
        stage.accepted(Verb::Deregister);
        assert!(stage.host.view().pool(pool).is_none());
        assert!(stage.host.view().version() > before, "readers see that it is gone");
    }
    stage.shutdown();
    let [(_, first), (second, _)] = spawns[..] else { panic!("two spawns") };
    stage.feed(Input::Exited { engine: first, status: ExitStatus::Code(1) });
    assert_eq!(stage.exits, 0, "the other may still come");
    stage.complete(second, Completion::Spawned(Err(SpawnError::NoResources)));
    assert_eq!(stage.exits, 1);
}
