//! A suspended machine and a driver that was held up.

use super::*;

/// The machine sleeps: the clock goes on, then the gap is told.
fn sleep(stage: &mut Stage, by: Duration) {
    stage.now = stage.now + by;
    stage.feed(Input::Gap { by });
}

#[test]
fn engine_side_deadlines_move_with_the_gap() {
    let mut stage = Stage::starting();
    let until = stage.now + SECOND * 120;
    sleep(&mut stage, SECOND * 3600);
    stage.tick_until(Due::StartTimeout);
    assert_eq!(stage.now, until + SECOND * 3600);
}

#[test]
fn the_grace_after_term_moves_too() {
    let mut stage = Stage::ready();
    stage.accepted(Verb::Stop);
    stage.settle();
    let until = stage.now + SECOND * 5;
    sleep(&mut stage, SECOND * 60);
    assert_eq!((stage.tick(), stage.now), (Due::KillGrace, until + SECOND * 60));
}

#[test]
fn a_drains_deadline_is_a_promise_and_stays() {
    let mut stage = Stage::ready();
    stage.lease();
    stage.drain();
    stage.settle();
    let deadline = stage.view().drain_deadline;
    sleep(&mut stage, SECOND * 30);
    assert_eq!(stage.view().drain_deadline, deadline);
    stage.tick_until(Due::DrainDeadline);
    assert_eq!(Some(stage.now), deadline);
}

#[test]
fn a_lease_that_ran_out_meanwhile_gets_one_grace() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    sleep(&mut stage, SECOND * 3600);
    let woken = stage.now;
    assert_eq!(stage.view().leases_active, 1);
    let renewed = stage.clone_host();
    stage.tick_until(Due::LeaseExpiry);
    assert_eq!(stage.now, woken + SECOND * 10);
    stage.assert_conserved();
    stage.host = renewed;
    stage.now = woken;
    assert!(matches!(stage.renew(lease, None), Answer::Renewed { .. }));
}

#[test]
fn patience_with_a_held_release_does_not_run_out_asleep() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.answer_one(Ask::Stage);
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
    sleep(&mut stage, SECOND * 60);
    stage.tick();
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
    assert_eq!(stage.phase(), PhaseName::Waiting);
}

#[test]
fn a_stalled_driver_asks_its_open_probe_afresh() {
    let mut stage = Stage::ready();
    stage.tick_until(Due::ProbeSend);
    let old = stage.withhold(Ask::Probe);
    stage.now = stage.now + SECOND * 60;
    stage.feed(Input::Stalled);
    assert!(stage.is_open(Ask::Probe));
    stage.complete(old, Completion::Probed(ProbeAnswer::TimedOut));
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::ProbeFailed { .. })), 0, "it is stale");
    stage.probed(ProbeAnswer::Healthy);
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn a_start_that_ran_out_while_the_driver_was_stalled_gets_one_more_probe() {
    let mut stage = Stage::starting();
    stage.now = stage.now + SECOND * 3600;
    stage.feed(Input::Stalled);
    stage.withhold(Ask::Probe);
    stage.answer_one(Ask::Probe);
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn that_one_probe_has_its_time_out_and_a_second_for_its_answer() {
    let mut stage = Stage::starting();
    stage.now = stage.now + SECOND * 3600;
    stage.feed(Input::Stalled);
    let stalled = stage.now;
    stage.tick_until(Due::StartTimeout);
    assert_eq!(stage.now, stalled + SECOND * 3);
}
