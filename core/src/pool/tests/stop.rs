//! Stop: the ladder, stuck engines, and stops that come before the spawn is acknowledged.

use super::*;
use crate::{DownBy, DrainOutcome, HoldReason, LeaseEnding, Wanted};

/// A pool whose engine outlived KILL.
fn stuck(verb: Verb) -> (Stage, OperationId) {
    let mut stage = Stage::ready();
    let operation = stage.accepted(verb);
    stage.settle();
    stage.tick_until(Due::StuckWait);
    assert_eq!(stage.view().held, Some(HoldReason::Stuck));
    (stage, operation)
}

#[test]
fn the_ladder_is_term_five_seconds_kill_ten_seconds_stuck() {
    let mut stage = Stage::ready();
    let stop = stage.accepted(Verb::Stop);
    stage.settle();
    let asked = stage.now;
    assert_eq!(stage.signals(), [Signal::Graceful]);
    assert_eq!((stage.tick(), stage.now), (Due::KillGrace, asked + SECOND * 5));
    assert_eq!(stage.signals(), [Signal::Graceful, Signal::KillTree]);
    assert_eq!((stage.tick(), stage.now), (Due::StuckWait, asked + SECOND * 15));
    assert_eq!(stage.outcome(stop), Some(Outcome::Stuck));
    assert_eq!(stage.heard(|kind| *kind == EventKind::EngineStuck), 1);
    stage.pass(SECOND * 86_400);
    assert_eq!(stage.signals().len(), 2, "never a loop of KILLs");
}

#[test]
fn a_stop_cuts_leases_at_once_and_names_them() {
    let mut stage = Stage::ready();
    let leases = stage.leases(2);
    let stop = stage.accepted(Verb::Stop);
    assert_eq!(stage.view().leases_active, 0);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(stop), Some(Outcome::ForceStopped { cut: leases }));
    assert_eq!(stage.view().lease_totals.cut, 2);
    stage.assert_conserved();
}

#[test]
fn a_stop_of_an_engine_already_stopped_as_unhealthy_cuts_its_leases() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    crash::make_unhealthy(&mut stage);
    let stop = stage.accepted(Verb::Stop);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(stop), Some(Outcome::ForceStopped { cut: alloc::vec![lease] }));
}

#[test]
fn a_drain_of_an_engine_already_stopped_as_unhealthy_names_the_leases_lost() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    crash::make_unhealthy(&mut stage);
    let drain = stage.drain();
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(drain), Some(Outcome::EngineExited { lost: alloc::vec![lease] }));
}

#[test]
fn an_end_after_our_first_signal_is_asked_whatever_its_status() {
    for status in [ExitStatus::Code(1), ExitStatus::Signal(11), ExitStatus::Signal(9), ExitStatus::Unknown] {
        let mut stage = Stage::ready();
        stage.accepted(Verb::Stop);
        stage.exits(status);
        stage.settle();
        assert_eq!(stage.crashes_heard(), [], "{status:?}");
        let view = stage.view();
        assert_eq!((view.crashes_total, view.failures, view.last_error), (0, 0, None));
    }
}

#[test]
fn both_files_are_gone_before_the_pool_is_at_rest() {
    let mut stage = Stage::ready();
    stage.accepted(Verb::Stop);
    stage.exits(ExitStatus::Code(0));
    assert_eq!(stage.phase(), PhaseName::Ended);
    stage.answer_one(Ask::Remove(FileKind::Pid));
    assert_eq!(stage.phase(), PhaseName::Ended);
    stage.answer_one(Ask::Remove(FileKind::Handoff));
    assert_eq!(stage.phase(), PhaseName::Stopped);
}

#[test]
fn a_disk_that_does_not_answer_holds_the_end_up_for_five_seconds_only() {
    let mut stage = Stage::ready();
    let stop = stage.accepted(Verb::Stop);
    stage.exits(ExitStatus::Code(0));
    stage.pass(SECOND * 5);
    assert_eq!(stage.outcome(stop), Some(Outcome::Completed));
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::FileFailed { .. })), 2);
}

#[test]
fn a_write_under_way_does_not_hold_the_signal_up() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Ready);
    let write = stage.withhold(Ask::Write(FileKind::Handoff));
    stage.accepted(Verb::Stop);
    assert_eq!(stage.signals(), [Signal::Graceful]);
    assert!(!stage.asks().contains(&Ask::Remove(FileKind::Handoff)), "one action at a time");
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ended, "the file may be there");
    stage.complete(write, good_answer(Ask::Write(FileKind::Handoff)));
    stage.settle();
    assert_eq!(stage.asks().last(), Some(&Ask::Remove(FileKind::Handoff)));
    assert_eq!(stage.phase(), PhaseName::Stopped);
}

#[test]
fn the_late_exit_of_a_stuck_engine_lifts_the_hold() {
    let (mut stage, _) = stuck(Verb::Stop);
    stage.exits(ExitStatus::Signal(9));
    stage.settle();
    assert_eq!((stage.phase(), stage.spawns()), (PhaseName::Stopped, 0));
}

#[test]
fn nothing_starts_beside_a_stuck_engine_and_a_preload_starts_after_it() {
    let (mut stage, _) = stuck(Verb::Stop);
    for verb in [Verb::Preload, Verb::Restart] {
        let operation = stage.accepted(verb);
        assert_eq!(stage.outcome(operation), Some(Outcome::Stuck));
    }
    stage.pass(SECOND * 3600);
    assert_eq!(stage.spawns(), 0);
    stage.exits(ExitStatus::Signal(9));
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready, "it is wanted up again");
}

#[test]
fn a_preload_while_the_late_exit_of_a_stuck_start_is_tidied_up_is_not_blamed_for_it() {
    let mut stage = Stage::new(|_| {});
    let mut preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.spawn_fails(SpawnError::NoResources);
    assert_eq!(stage.failure(preload), Some(CrashClass::SpawnFailed(SpawnError::NoResources)));
    stage.tick_until(Due::GateOpens);
    stage.answer_one(Ask::Release);
    stage.answer_one(Ask::Spawn);
    stage.answer_one(Ask::Write(FileKind::Pid));
    stage.accepted(Verb::Stop);
    stage.tick_until(Due::StuckWait);
    stage.exits(ExitStatus::Signal(9));
    assert_eq!(stage.phase(), PhaseName::Ended);
    preload = stage.preload();
    stage.settle();
    assert_eq!(stage.outcome(preload), Some(Outcome::Completed));
}

#[test]
fn a_deregistration_that_got_stuck_is_finished_by_the_late_exit() {
    let (mut stage, deregister) = stuck(Verb::Deregister);
    assert_eq!(stage.outcome(deregister), Some(Outcome::Stuck));
    stage.exits(ExitStatus::Signal(9));
    stage.settle();
    assert!(stage.host.view().pool(stage.pool).is_none());
    assert_eq!(stage.heard(|kind| *kind == EventKind::Deregistered), 1);
}

#[test]
fn a_preload_takes_a_deregistration_that_got_stuck_back() {
    let (mut stage, _) = stuck(Verb::Deregister);
    stage.preload();
    stage.exits(ExitStatus::Signal(9));
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn a_stop_before_the_spawn_is_acknowledged_is_remembered() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    let stop = stage.accepted(Verb::Stop);
    assert_eq!(stage.signals(), [], "there is nothing to signal yet");
    stage.answer_one(Ask::Spawn);
    assert_eq!(stage.signals(), [Signal::Graceful]);
    let Completion::Spawned(Ok(Spawned { pid })) = good_answer(Ask::Spawn) else { panic!("a process") };
    assert_eq!(stage.view().engine.and_then(|engine| engine.pid), Some(pid));
    assert!(!stage.is_open(Ask::Write(FileKind::Pid)), "no PID file for an engine that goes");
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(stop), Some(Outcome::Completed));
}

#[test]
fn a_stop_before_a_spawn_that_fails_is_done() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    let stop = stage.accepted(Verb::Stop);
    stage.spawn_fails(SpawnError::NoResources);
    assert_eq!(stage.outcome(stop), Some(Outcome::Completed));
    assert_eq!((stage.crashes_heard(), stage.view().failures), (Vec::new(), 0));
}

#[test]
fn a_late_spawn_is_killed_and_named_whoever_runs_by_then() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    let late = stage.engine();
    let spawn = stage.withhold(Ask::Spawn);
    stage.tick_until(Due::SpawnAnswer);
    stage.tick_until(Due::GateOpens);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
    stage.complete(spawn, good_answer(Ask::Spawn));
    assert_eq!(stage.signals_to(), [(late.incarnation, Signal::KillTree)]);
    let said = stage.events.last().expect("the signal is said aloud");
    assert_eq!(said.incarnation, Some(late.incarnation));
    stage.feed(Input::Exited { engine: late, status: ExitStatus::Signal(9) });
    assert_eq!((stage.phase(), stage.signals().len()), (PhaseName::Ready, 1), "the new engine is untouched");
}

#[test]
fn a_late_spawn_whose_exit_was_seen_is_not_signalled() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    let late = stage.engine();
    let spawn = stage.withhold(Ask::Spawn);
    stage.tick_until(Due::SpawnAnswer);
    stage.feed(Input::Exited { engine: late, status: ExitStatus::Code(1) });
    stage.complete(spawn, good_answer(Ask::Spawn));
    assert_eq!(stage.signals(), []);
}

#[test]
fn a_late_spawn_of_a_pool_that_was_forgotten_is_killed() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    let late = stage.engine();
    let spawn = stage.withhold(Ask::Spawn);
    stage.tick_until(Due::SpawnAnswer);
    stage.accepted(Verb::Deregister);
    assert!(stage.host.view().pool(stage.pool).is_none());
    stage.complete(spawn, good_answer(Ask::Spawn));
    assert_eq!(stage.signals_to(), [(late.incarnation, Signal::KillTree)]);
}

#[test]
fn wanted_down_never_spawns_whatever_the_order() {
    let downs = [Verb::Stop, Verb::Drain { deadline: None }];
    for down in downs {
        for before in [PhaseName::Staging, PhaseName::Waiting, PhaseName::Starting, PhaseName::Ready] {
            let mut stage = Stage::new(|_| {});
            stage.preload();
            stage.settle_until(before);
            let spawned = stage.spawns();
            stage.accepted(down.clone());
            stage.settle();
            if stage.view().engine.is_some() {
                stage.exits(ExitStatus::Signal(15));
            }
            stage.settle();
            stage.pass(SECOND * 3600);
            assert_eq!(
                (stage.phase(), stage.spawns()),
                (PhaseName::Stopped, spawned),
                "{down:?}, {before:?}"
            );
            let by = if down == Verb::Stop { DownBy::Stop } else { DownBy::Drain };
            assert_eq!(stage.view().wanted, Wanted::Down(by));
        }
    }
}

#[test]
fn a_lease_that_was_cut_is_remembered_after_its_pool_was_forgotten() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    let deregister = stage.accepted(Verb::Deregister);
    stage.tick_until(Due::DrainDeadline);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(deregister), Some(Outcome::ForceStopped { cut: alloc::vec![lease] }));
    assert_eq!(stage.end_lease(lease), Answer::LeaseEndedBefore { how: Some(LeaseEnding::Cut) });
    let command = stage.ask_lease(Priority::Interactive, None);
    assert_eq!(stage.reply(command), Answer::Refused(Refusal::UnknownPool));
}

#[test]
fn a_stop_ends_the_drain_that_runs_and_observers_hear_of_it_once() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    stage.drain();
    stage.accepted(Verb::Stop);
    let ended = |kind: &EventKind| matches!(kind, EventKind::DrainEnded { outcome: DrainOutcome::ForceStopped, cut, .. } if *cut == [lease]);
    assert_eq!(stage.heard(ended), 1);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::DrainEnded { .. })), 1);
}
