//! From Stopped to Ready: order of effects, readiness, time-outs, the release gate, the files.

use super::*;
use crate::{HoldReason, HostProblem, ReleaseGate, Wanted};

/// A pool that waits for its release check alone.
fn waiting_for_release() -> Stage {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.answer_one(Ask::Stage);
    stage.forget();
    stage
}

fn still_held(stage: &mut Stage) {
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
}

fn stranger(stage: &mut Stage) {
    let answer = ReleaseAnswer::PortStranger { port: 8080, pid: Some(7) };
    stage.answer(Ask::Release, Completion::Released(answer));
}

#[test]
fn a_start_is_stage_release_spawn_pid_file_probe_handoff() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    for ask in [Ask::Stage, Ask::Release, Ask::Spawn, Ask::Write(FileKind::Pid), Ask::Probe] {
        assert_eq!(stage.outcome(preload), None);
        assert_eq!(stage.open.len(), 1, "one thing at a time");
        stage.answer_one(ask);
    }
    assert_eq!((stage.phase(), stage.outcome(preload)), (PhaseName::Ready, Some(Outcome::Completed)));
    assert_eq!(stage.asks().last(), Some(&Ask::Write(FileKind::Handoff)), "only after health");
}

#[test]
fn autostart_begins_the_first_start() {
    let mut stage = Stage::new(|spec| spec.autostart = true);
    assert_eq!((stage.phase(), stage.view().wanted), (PhaseName::Staging, Wanted::Up));
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn a_pid_file_that_cannot_be_written_does_not_hold_the_start_up() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    let failed = Completion::FileDone(Err(crate::FileError::Io(28)));
    stage.answer(Ask::Write(FileKind::Pid), failed);
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::FileFailed { .. })), 1);
    assert!(stage.is_open(Ask::Probe));
}

#[test]
fn readiness_is_probed_every_500_ms() {
    let mut stage = Stage::starting();
    let first = stage.now;
    for probe in 1..=4 {
        stage.probed(ProbeAnswer::Loading);
        assert_eq!((stage.tick(), stage.now), (Due::ProbeSend, first + Duration::from_millis(500) * probe));
    }
}

#[test]
fn a_slow_probe_is_followed_by_the_next_one_and_never_doubled() {
    let mut stage = Stage::starting();
    stage.tick_until(Due::ProbeSend);
    assert_eq!(stage.open.len(), 1, "the last one is still out");
    stage.probed(ProbeAnswer::TimedOut);
    assert!(stage.is_open(Ask::Probe), "late already: at once");
}

#[test]
fn only_a_healthy_answer_makes_ready() {
    let mut stage = Stage::starting();
    for answer in [
        ProbeAnswer::Loading,
        ProbeAnswer::Refused,
        ProbeAnswer::TimedOut,
        ProbeAnswer::Unhealthy { status: 500 },
    ] {
        stage.probed(answer);
        assert_eq!(stage.phase(), PhaseName::Starting, "{answer:?}");
        stage.tick_until(Due::ProbeSend);
    }
    let view = stage.view();
    assert!(view.health.live && !view.health.ready);
    stage.probed(ProbeAnswer::Healthy);
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn a_start_that_takes_too_long_is_stopped_by_the_ladder_and_fails_its_caller() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    let spawned = stage.now;
    stage.answer_one(Ask::Spawn);
    stage.answer_one(Ask::Write(FileKind::Pid));
    stage.tick_until(Due::StartTimeout);
    assert_eq!(stage.now, spawned + SECOND * 120);
    assert_eq!((stage.signals(), stage.tick()), (alloc::vec![Signal::Graceful], Due::KillGrace));
    stage.crash(ExitStatus::Signal(9));
    assert_eq!(stage.failure(preload), Some(CrashClass::StartTimeout));
    assert_eq!(stage.phase(), PhaseName::Waiting, "goes on under policy");
    assert!(!stage.asks().contains(&Ask::Write(FileKind::Handoff)), "it was never handed off");
}

#[test]
fn a_failed_first_start_leaves_no_file_and_goes_on_under_policy() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.answer_one(Ask::Write(FileKind::Pid));
    stage.exits(ExitStatus::Code(1));
    assert!(stage.is_open(Ask::Remove(FileKind::Pid)));
    stage.settle_until(PhaseName::Waiting);
    assert_eq!(stage.failure(preload), Some(CrashClass::Exit(1)));
    stage.tick_until(Due::GateOpens);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn what_follows_a_failed_preload_carries_its_correlation() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    let correlation = Correlation([0, stage.commands]);
    stage.settle_until(PhaseName::Starting);
    stage.spawn_fails(SpawnError::NoResources);
    let scheduled =
        stage.events.iter().find(|event| matches!(event.kind, EventKind::RestartScheduled { .. }));
    assert_eq!(scheduled.and_then(|event| event.correlation), Some(correlation));
    let moved = EventKind::PhaseChanged { from: PhaseName::Starting, to: PhaseName::Waiting };
    let moved = stage.events.iter().find(|event| event.kind == moved).expect("it waits");
    assert_eq!(moved.correlation, Some(correlation));
    assert!(matches!(stage.events.last().map(|event| &event.kind), Some(EventKind::OperationEnded { .. })));
}

#[test]
fn an_exit_before_the_spawn_is_acknowledged_is_the_end_of_that_engine() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    let spawn = stage.withhold(Ask::Spawn);
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.failure(preload), Some(CrashClass::Exit(1)));
    let phase = stage.phase();
    stage.forget();
    stage.complete(spawn, good_answer(Ask::Spawn));
    assert_eq!((stage.phase(), stage.effects.len()), (phase, 0));
    assert_eq!(stage.heard(|kind| *kind == EventKind::StaleInput), 1);
}

#[test]
fn a_spawn_without_an_answer_fails_after_10_s() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    assert_eq!((stage.tick(), stage.now), (Due::SpawnAnswer, Time::ZERO + SECOND * 10));
    assert_eq!(stage.failure(preload), Some(CrashClass::SpawnFailed(SpawnError::TimedOut)));
}

#[test]
fn staging_without_progress_fails_after_300_s() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    assert_eq!((stage.tick(), stage.now), (Due::StageAnswer, Time::ZERO + SECOND * 300));
    assert_eq!(stage.failure(preload), Some(CrashClass::StageFailed(StageError::Stalled)));
}

#[test]
fn a_healthy_answer_of_a_stranger_stops_the_engine_and_is_the_hosts_fault() {
    let mut stage = Stage::starting();
    stage.probed(ProbeAnswer::Stranger);
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Stopping, alloc::vec![Signal::Graceful]));
    stage.crash(ExitStatus::Signal(15));
    assert_eq!(stage.crashes_heard(), [CrashClass::HostProblem(HostProblem::PortStranger)]);
    assert_eq!(stage.view().failures, 0);
}

#[test]
fn a_held_release_is_checked_every_250_ms_and_holds_the_pool_after_30_s() {
    let mut stage = waiting_for_release();
    let asked = stage.now;
    still_held(&mut stage);
    for check in 1..=120 {
        assert_eq!((stage.tick(), stage.now), (Due::GateOpens, asked + Duration::from_millis(250) * check));
        assert_eq!(stage.phase(), PhaseName::Waiting);
        still_held(&mut stage);
    }
    assert_eq!(stage.view().held, Some(HoldReason::NotReleased));
    let class = CrashClass::HostProblem(HostProblem::NotReleased);
    assert_eq!((stage.crashes_heard(), stage.view().failures), (alloc::vec![class], 0));
    assert_eq!((stage.tick(), stage.now), (Due::Recheck, asked + SECOND * 60));
    still_held(&mut stage);
    assert_eq!(stage.view().held, Some(HoldReason::NotReleased));
    stage.tick();
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready, "the check passed");
}

#[test]
fn a_release_check_without_an_answer_counts_as_held() {
    let mut stage = waiting_for_release();
    assert_eq!((stage.tick(), stage.now), (Due::ReleaseAnswer, Time::ZERO + SECOND * 30));
    assert_eq!(stage.view().held, Some(HoldReason::NotReleased));
}

#[test]
fn a_port_stranger_fails_the_caller_and_is_looked_at_every_30_s() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    stage.answer_one(Ask::Stage);
    stranger(&mut stage);
    let class = CrashClass::HostProblem(HostProblem::PortStranger);
    assert_eq!((stage.failure(preload), stage.spawns()), (Some(class), 0));
    let recheck = stage.now + SECOND * 30;
    let gate = stage.view().gates.map(|gates| gates.release);
    assert_eq!(gate, Some(ReleaseGate::PortStranger { port: 8080, pid: Some(7), recheck }));
    assert_eq!((stage.tick(), stage.now), (Due::GateOpens, recheck));
    stranger(&mut stage);
    assert_eq!(stage.crashes_heard(), [class], "said once, not at every look");
    assert_eq!((stage.tick(), stage.now), (Due::GateOpens, recheck + SECOND * 30));
    stage.settle();
    assert_eq!((stage.phase(), stage.view().failures), (PhaseName::Ready, 0));
}

#[test]
fn patience_with_what_is_ours_begins_when_the_stranger_is_gone() {
    let mut stage = waiting_for_release();
    stranger(&mut stage);
    stage.tick();
    still_held(&mut stage);
    assert_eq!(stage.phase(), PhaseName::Waiting);
}

#[test]
fn an_unready_pool_says_when_to_try_again() {
    let mut stage = Stage::ready();
    stage.crash(ExitStatus::Code(1));
    let gate = stage.view().gates.and_then(|gates| gates.backoff_until).expect("it waits");
    let retry_after = gate.left(stage.now) + SECOND;
    assert_eq!(stage.lease_refusal(), Refusal::NotReady { phase: PhaseName::Waiting, retry_after });
    stage.tick_until(Due::GateOpens);
    stage.settle_until(PhaseName::Starting);
    assert_eq!(stage.lease_refusal(), Refusal::NotReady { phase: PhaseName::Starting, retry_after: SECOND });
    stage.answer_one(Ask::Spawn);
    stage.crash_saying(ExitStatus::Code(1), &[LogClass::AddressInUse]);
    let retry_after = SECOND * 31;
    assert_eq!(stage.lease_refusal(), Refusal::NotReady { phase: PhaseName::Waiting, retry_after });
}

#[test]
fn name_and_port_are_taken_once() {
    let mut stage = Stage::new(|_| {});
    let by = PoolUid(1);
    assert_eq!(stage.register(spec("a")), Answer::Refused(Refusal::NameTaken { by }));
    assert_eq!(stage.register(spec("b")), Answer::Refused(Refusal::PortTaken { port: 8080, by }));
    stage.accepted(Verb::Deregister);
    assert_eq!(stage.register(spec("b")), Answer::Registered { pool: PoolUid(2) }, "a uid is never reused");
}

#[test]
fn a_preload_that_is_not_tried_again_fails() {
    let mut stage = Stage::starting_with(|spec| spec.policy.restart.mode = crate::RestartMode::Never);
    let preload = stage.view().operation.map(|operation| operation.id).expect("it loads");
    stage.crash(ExitStatus::Code(7));
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Stopped);
    assert_eq!(stage.failure(preload), Some(CrashClass::Exit(7)));
}

#[test]
fn what_is_not_released_is_looked_at_every_30_s() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.answer_one(Ask::Stage);
    while stage.view().held.is_none() {
        stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
        stage.tick();
    }
    for _ in 0..3 {
        let asked = stage.now;
        stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
        stage.tick_until(Due::Recheck);
        assert_eq!(stage.now, asked + SECOND * 30);
    }
}
