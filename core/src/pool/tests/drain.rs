//! Drain: the flag and the refusals, how it ends, joining, undrain, and cycles of it.

use super::*;
use crate::{DrainOutcome, OperationKind};

fn drains_ended(stage: &Stage) -> Vec<DrainOutcome> {
    let outcome = |event: &Event| {
        if let EventKind::DrainEnded { outcome, .. } = &event.kind { Some(*outcome) } else { None }
    };
    stage.events.iter().filter_map(outcome).collect()
}

#[test]
fn flag_and_refusals_are_up_in_the_same_step() {
    let mut stage = Stage::ready();
    stage.leases(3);
    stage.drain_within(SECOND * 5);
    let view = stage.view();
    assert!(view.draining);
    assert!(view.health.live && !view.health.ready, "not ready, and not signalled");
    assert_eq!(view.drain_deadline, Some(stage.now + SECOND * 5));
    assert_eq!(stage.lease_refusal(), Refusal::Draining { retry_after: SECOND * 5 });
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::DrainStarted { in_flight: 3, .. })), 1);
    assert_eq!(stage.signals(), []);
}

#[test]
fn the_handoff_file_goes_at_the_start_and_before_any_signal() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    stage.drain();
    assert_eq!(stage.asks(), [Ask::Remove(FileKind::Handoff)]);
    stage.end_lease(lease);
    assert!(matches!(stage.effects.as_slice(), [Effect::RemoveFile { .. }, Effect::Signal { .. }]));
}

#[test]
fn the_queue_is_emptied_with_refusals() {
    let mut stage = Stage::ready_with(|spec| spec.policy.lease.slots = 1);
    stage.lease();
    let waiting = [Priority::Interactive, Priority::Batch].map(|priority| stage.ask_lease(priority, None));
    stage.drain_within(SECOND);
    for ask in waiting {
        assert_eq!(stage.reply(ask), Answer::Refused(Refusal::Draining { retry_after: SECOND }));
    }
    assert_eq!(stage.view().leases_queued, 0);
}

#[test]
fn one_lease_that_ends_leaves_the_drain_waiting_for_the_others() {
    let mut stage = Stage::ready();
    let leases = stage.leases(2);
    stage.drain();
    stage.end_lease(leases[0]);
    assert_eq!((stage.view().leases_active, stage.phase()), (1, PhaseName::Draining));
}

#[test]
fn the_last_lease_ends_the_waiting_and_the_exit_ends_the_operation() {
    let mut stage = Stage::ready();
    let leases = stage.leases(3);
    let drain = stage.drain();
    for lease in leases {
        stage.end_lease(lease);
    }
    assert_eq!(stage.signals(), [Signal::Graceful]);
    assert_eq!(stage.outcome(drain), None, "the engine has not ended yet");
    stage.exits(ExitStatus::Signal(15));
    assert_eq!(stage.outcome(drain), None, "the files are still there");
    stage.settle();
    assert_eq!(stage.outcome(drain), Some(Outcome::Completed));
    assert_eq!(drains_ended(&stage), [DrainOutcome::Completed]);
    assert_eq!(stage.crashes_heard(), [], "an asked end is no crash");
    assert_eq!(stage.view().health, crate::Health::default());
    stage.assert_conserved();
}

#[test]
fn a_drain_without_leases_ends_at_once() {
    let mut stage = Stage::ready();
    let drain = stage.drain();
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Stopping, alloc::vec![Signal::Graceful]));
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!((stage.phase(), stage.outcome(drain)), (PhaseName::Stopped, Some(Outcome::Completed)));
}

#[test]
fn the_deadline_cuts_and_names_what_is_left() {
    let mut stage = Stage::ready();
    let leases = stage.leases(2);
    let drain = stage.drain_within(SECOND);
    stage.settle();
    let asked = stage.now;
    assert_eq!(stage.tick(), Due::DrainDeadline);
    assert_eq!(stage.now, asked + SECOND);
    assert_eq!(stage.view().leases_active, 0);
    assert_eq!(stage.signals(), [Signal::Graceful]);
    assert_eq!(stage.tick(), Due::KillGrace);
    assert_eq!(stage.now, asked + SECOND * 2, "force_grace is 1 s, not the ladder's 5 s");
    assert_eq!(stage.signals(), [Signal::Graceful, Signal::KillTree]);
    stage.exits(ExitStatus::Signal(9));
    stage.settle();
    assert_eq!(stage.outcome(drain), Some(Outcome::ForceStopped { cut: leases.clone() }));
    assert_eq!(drains_ended(&stage), [DrainOutcome::ForceStopped]);
    let late = stage.end_lease(leases[0]);
    assert_eq!(late, Answer::LeaseEndedBefore { how: Some(crate::LeaseEnding::Cut) });
    stage.assert_conserved();
}

#[test]
fn all_leases_that_end_in_the_deadlines_own_turn_ended_in_time() {
    let mut stage = Stage::ready();
    let leases = stage.leases(2);
    let drain = stage.drain_within(SECOND);
    stage.settle();
    // The driver woke late: both ends are fed before the timer.
    stage.now = stage.now + SECOND * 2;
    for lease in leases {
        assert_eq!(stage.end_lease(lease), Answer::LeaseEnded);
    }
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!(stage.outcome(drain), Some(Outcome::Completed));
}

#[test]
fn an_engine_that_ends_in_the_drain_is_lost_and_not_restarted() {
    let mut stage = Stage::ready();
    let leases = stage.leases(2);
    let drain = stage.drain();
    stage.crash(ExitStatus::Signal(11));
    assert_eq!(stage.outcome(drain), Some(Outcome::EngineExited { lost: leases }));
    assert_eq!(drains_ended(&stage), [DrainOutcome::EngineExited]);
    assert_eq!(stage.crashes_heard(), [CrashClass::Signal(11)]);
    stage.pass(SECOND * 3600);
    assert_eq!((stage.phase(), stage.spawns()), (PhaseName::Stopped, 0));
    assert_eq!(stage.view().lease_totals.lost, 2);
    stage.assert_conserved();
}

#[test]
fn a_second_drain_joins_and_the_earlier_deadline_wins() {
    for (first, second, wins) in [(60, 5, 5), (5, 60, 5)] {
        let mut stage = Stage::ready();
        stage.lease();
        let start = stage.now;
        let one = stage.drain_within(SECOND * first);
        let two = stage.drain_within(SECOND * second);
        assert_eq!(one, two);
        assert_eq!(stage.view().drain_deadline, Some(start + SECOND * wins));
    }
}

#[test]
fn a_drain_that_takes_over_from_a_restart_brings_its_own_deadline() {
    let mut stage = Stage::ready();
    stage.lease();
    let restart = stage.accepted(Verb::Restart);
    let drain = stage.drain_within(SECOND * 300);
    assert_eq!(stage.view().drain_deadline, Some(stage.now + SECOND * 300));
    assert_eq!(stage.outcome(restart), Some(Outcome::Superseded { by: OperationKind::Drain }));
    assert_eq!(stage.outcome(drain), None);
}

#[test]
fn undrain_gives_the_engine_back_until_the_first_signal() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    let drain = stage.drain();
    stage.settle();
    assert_eq!(stage.accepted(Verb::Undrain), drain);
    assert_eq!(stage.outcome(drain), Some(Outcome::Undrained));
    assert_eq!(drains_ended(&stage), [DrainOutcome::Undrained]);
    assert!(stage.view().health.ready);
    assert!(stage.is_open(Ask::Write(FileKind::Handoff)), "routers find it again");
    assert!(stage.is_open(Ask::Probe), "probed at once");
    stage.settle();
    assert_eq!(stage.end_lease(lease), Answer::LeaseEnded, "the lease lived on");
    stage.lease();
    stage.pass_healthy(SECOND * 120);
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Ready, Vec::new()), "its deadline is gone");
}

#[test]
fn undrain_after_the_first_signal_is_too_late() {
    let mut stage = Stage::ready();
    assert_eq!(stage.refused(Verb::Undrain), Refusal::NotDraining);
    stage.drain();
    assert_eq!(stage.refused(Verb::Undrain), Refusal::TooLate);
    stage.exits(ExitStatus::Code(0));
    assert_eq!(stage.refused(Verb::Undrain), Refusal::TooLate);
    stage.settle();
    assert_eq!(stage.refused(Verb::Undrain), Refusal::NotDraining);
}

#[test]
fn an_undrained_pool_without_liveness_probes_is_not_probed() {
    let mut stage = Stage::ready_with(|spec| spec.policy.liveness.interval = Duration::ZERO);
    stage.lease();
    stage.drain();
    stage.settle();
    stage.accepted(Verb::Undrain);
    stage.settle();
    assert!(!stage.asks().contains(&Ask::Probe));
}

#[test]
fn a_quick_drain_and_undrain_leave_the_handoff_file_there() {
    let mut stage = Stage::ready();
    stage.lease();
    stage.drain();
    stage.accepted(Verb::Undrain);
    assert_eq!(stage.asks(), [Ask::Remove(FileKind::Handoff), Ask::Probe], "one action at a time");
    stage.answer_one(Ask::Remove(FileKind::Handoff));
    assert!(stage.is_open(Ask::Write(FileKind::Handoff)));
}

#[test]
fn an_engine_stable_through_a_drain_that_was_taken_back_is_forgiven() {
    let mut stage = Stage::ready();
    stage.crash(ExitStatus::Code(1));
    stage.tick_until(Due::GateOpens);
    stage.settle();
    stage.lease();
    stage.pass_healthy(SECOND * 299);
    stage.drain();
    stage.pass(SECOND * 2);
    stage.accepted(Verb::Undrain);
    assert_eq!(stage.view().failures, 0, "stable counts from Ready, drain or not");
}

#[test]
fn drains_follow_each_other() {
    let mut stage = Stage::ready();
    for cycle in 0..5 {
        let lease = stage.lease();
        let drain = stage.drain();
        stage.end_lease(lease);
        stage.exits(ExitStatus::Signal(15));
        stage.settle();
        assert_eq!(stage.outcome(drain), Some(Outcome::Completed), "cycle {cycle}");
        stage.preload();
        stage.settle();
        assert_eq!(stage.phase(), PhaseName::Ready);
    }
    assert_eq!((stage.view().uid, stage.view().name.as_str()), (PoolUid(1), "a"));
    assert_eq!(stage.view().lease_totals.completed, 5);
}

#[test]
fn drains_of_two_pools_do_not_touch_each_other() {
    let mut stage = Stage::ready();
    let first = stage.lease();
    let mut other = spec("b");
    other.engine.port = Some(8081);
    assert_eq!(stage.register(other), Answer::Registered { pool: PoolUid(2) });
    stage.pool = PoolUid(2);
    stage.preload();
    stage.settle();
    let second = stage.lease();
    let drain_b = stage.drain_within(SECOND * 5);
    stage.pool = PoolUid(1);
    let drain_a = stage.drain_within(SECOND * 10);
    stage.end_lease(first);
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!(stage.outcome(drain_a), Some(Outcome::Completed));
    stage.pool = PoolUid(2);
    assert_eq!((stage.phase(), stage.outcome(drain_b)), (PhaseName::Draining, None));
    stage.tick_until(Due::DrainDeadline);
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!(stage.outcome(drain_b), Some(Outcome::ForceStopped { cut: alloc::vec![second] }));
}

#[test]
fn draining_a_pool_that_is_not_ready_stops_it() {
    let mut stage = Stage::starting();
    let drain = stage.drain();
    assert_eq!(stage.signals(), [Signal::Graceful]);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!((stage.phase(), stage.outcome(drain)), (PhaseName::Stopped, Some(Outcome::Completed)));
}

#[test]
fn a_restart_whose_drain_times_out_leaves_the_engine_alone() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    let restart = stage.accepted(Verb::Restart);
    stage.settle();
    assert!(matches!(stage.lease_refusal(), Refusal::Reloading { .. }));
    stage.tick_until(Due::DrainDeadline);
    assert_eq!(stage.outcome(restart), Some(Outcome::TimedOut));
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Ready, Vec::new()));
    assert_eq!(stage.end_lease(lease), Answer::LeaseEnded);
    stage.lease();
}

#[test]
fn a_drain_and_a_restart_make_a_new_incarnation_of_the_same_pool() {
    let mut stage = Stage::ready();
    let before = stage.engine().incarnation;
    let restart = stage.accepted(Verb::Restart);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(restart), Some(Outcome::Completed));
    assert!(stage.engine().incarnation > before);
    let view = stage.view();
    assert_eq!(
        (view.uid, view.spec.hash, view.restart_count, view.failures),
        (PoolUid(1), SpecHash(1), 0, 0)
    );
}
