//! Crash to restart: evidence, verdict, backoff, counters, holds, and liveness.

use super::*;
use crate::{DownBy, HoldReason, HostProblem, RestartMode, Wanted};

/// Liveness finds the engine unhealthy: three refusals in a row.
pub(super) fn make_unhealthy(stage: &mut Stage) {
    for _ in 0..3 {
        stage.tick_until(Due::ProbeSend);
        stage.probed(ProbeAnswer::Refused);
    }
    assert_eq!(stage.phase(), PhaseName::Stopping);
}

/// The next start by policy, up to its answers.
fn restart(stage: &mut Stage) {
    stage.tick_until(Due::GateOpens);
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
}

fn restarts_scheduled(stage: &Stage) -> Vec<Duration> {
    let delay = |event: &Event| {
        if let EventKind::RestartScheduled { delay, .. } = event.kind { Some(delay) } else { None }
    };
    stage.events.iter().filter_map(delay).collect()
}

#[test]
fn a_crash_is_explained_said_aloud_and_restarted_after_its_backoff() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    let first = stage.engine();
    let ended = stage.now;
    stage.exits(ExitStatus::Signal(11));
    assert_eq!(stage.view().health, crate::Health::default());
    assert_eq!(stage.view().leases_active, 0);
    assert_eq!(stage.asks(), [Ask::Evidence, Ask::Remove(FileKind::Handoff), Ask::Remove(FileKind::Pid)]);
    stage.now = stage.now + Duration::from_millis(150);
    stage.settle_until(PhaseName::Waiting);
    let view = stage.view();
    let error = view.last_error.expect("a crash leaves its reason");
    assert_eq!(error.verdict.class, CrashClass::Signal(11));
    assert_eq!((error.incarnation, error.at), (Some(first.incarnation), ended));
    assert_eq!((view.crashes_total, view.failures, view.restart_count), (1, 1, 0));
    let until = view.gates.and_then(|gates| gates.backoff_until).expect("a gate with a time");
    let delay = until.since(ended);
    assert!((900..=1100).contains(&delay.as_millis()), "counted from the observed end: {delay:?}");
    assert_eq!(stage.crashes_heard(), [CrashClass::Signal(11)]);
    assert_eq!((stage.tick(), stage.now), (Due::GateOpens, until));
    stage.settle();
    assert_eq!((stage.phase(), stage.view().restart_count), (PhaseName::Ready, 1));
    assert!(stage.engine().incarnation > first.incarnation);
    assert_eq!(stage.end_lease(lease), Answer::LeaseEndedBefore { how: Some(crate::LeaseEnding::Lost) });
    stage.assert_conserved();
}

#[test]
fn the_crash_event_names_engine_and_uptime() {
    let mut stage = Stage::ready();
    let engine = stage.engine();
    stage.pass_healthy(SECOND * 60);
    stage.crash(ExitStatus::Code(1));
    let said = stage.events.iter().find(|event| matches!(event.kind, EventKind::Crashed { .. }));
    let said = said.expect("said aloud");
    assert_eq!(said.incarnation, Some(engine.incarnation));
    let EventKind::Crashed { uptime, crashes_total, .. } = said.kind else { panic!("filtered above") };
    assert_eq!((uptime, crashes_total), (SECOND * 61, 1));
}

#[test]
fn silence_about_an_end_is_an_answer_after_300_ms() {
    let mut stage = Stage::ready();
    let ended = stage.now;
    stage.exits(ExitStatus::Code(3));
    stage.answer_one(Ask::Remove(FileKind::Handoff));
    stage.answer_one(Ask::Remove(FileKind::Pid));
    assert_eq!((stage.tick(), stage.now), (Due::EvidenceAnswer, ended + Duration::from_millis(300)));
    assert_eq!(stage.crashes_heard(), [CrashClass::Exit(3)]);
}

#[test]
fn delays_double_and_stability_forgives() {
    let mut stage = Stage::ready();
    for _ in 0..4 {
        stage.crash(ExitStatus::Code(1));
        restart(&mut stage);
    }
    let bases = [1000, 2000, 4000, 8000];
    for (delay, base) in restarts_scheduled(&stage).iter().zip(bases) {
        assert!((base * 9 / 10..=base * 11 / 10).contains(&delay.as_millis()), "{delay:?} for {base} ms");
    }
    assert_eq!(stage.view().restart_count, 4);
    stage.pass_healthy(SECOND * 299);
    assert_eq!(stage.view().failures, 4);
    stage.pass_healthy(SECOND);
    assert_eq!((stage.view().failures, stage.view().restart_count), (0, 4), "stable after 300 s from Ready");
    stage.pass_healthy(SECOND * 300);
    let view = stage.view();
    assert_eq!((view.restart_count, view.crashes_total), (0, 4), "forgotten after 600 s; the total never");
}

#[test]
fn every_restart_has_a_higher_incarnation() {
    let mut stage = Stage::ready_with(|spec| spec.policy.restart.circuit_failures = 0);
    let mut last = stage.engine().incarnation;
    for _ in 0..20 {
        stage.crash(ExitStatus::Code(1));
        restart(&mut stage);
        let next = stage.engine().incarnation;
        assert!(next > last);
        last = next;
    }
}

#[test]
fn a_cuda_line_outweighs_the_status() {
    let mut stage = Stage::ready();
    stage.crash_saying(ExitStatus::Signal(6), &[LogClass::CudaError]);
    assert_eq!(stage.crashes_heard(), [CrashClass::Cuda(None)]);
    let delay = restarts_scheduled(&stage)[0];
    assert!((1800..=2200).contains(&delay.as_millis()), "twice the delay: {delay:?}");
}

#[test]
fn a_clean_end_stays_down_unless_the_mode_is_always() {
    for (mode, phase, wanted) in [
        (RestartMode::OnFailure, PhaseName::Stopped, Wanted::Down(DownBy::CleanExit)),
        (RestartMode::Never, PhaseName::Stopped, Wanted::Down(DownBy::CleanExit)),
        (RestartMode::Always, PhaseName::Waiting, Wanted::Up),
    ] {
        let mut stage = Stage::ready_with(|spec| spec.policy.restart.mode = mode);
        stage.crash(ExitStatus::Code(0));
        let view = stage.view();
        assert_eq!((view.phase, view.wanted, view.failures, view.crashes_total), (phase, wanted, 0, 0));
        assert_eq!(stage.crashes_heard(), []);
    }
}

#[test]
fn a_clean_end_under_always_waits_the_first_step_however_often() {
    let mut stage = Stage::ready_with(|spec| spec.policy.restart.mode = RestartMode::Always);
    for _ in 0..4 {
        stage.crash(ExitStatus::Code(0));
        restart(&mut stage);
    }
    assert!(restarts_scheduled(&stage).iter().all(|delay| delay.as_millis() <= 1100));
}

#[test]
fn mode_never_leaves_a_crashed_pool_down() {
    let mut stage = Stage::ready_with(|spec| spec.policy.restart.mode = RestartMode::Never);
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.view().wanted, Wanted::Down(DownBy::RestartMode));
    assert_eq!(stage.phase(), PhaseName::Stopped);
}

#[test]
fn exit_zero_before_ready_is_a_failure() {
    let mut stage = Stage::starting();
    stage.crash(ExitStatus::Code(0));
    assert_eq!(stage.crashes_heard(), [CrashClass::Exit(0)]);
    assert_eq!(stage.phase(), PhaseName::Waiting);
}

#[test]
fn a_wrong_configuration_holds_and_a_preload_is_one_try() {
    let mut stage = Stage::starting();
    stage.crash(ExitStatus::Code(2));
    assert_eq!(stage.view().held, Some(HoldReason::Config));
    stage.pass(SECOND * 3600);
    assert_eq!((stage.view().held, stage.spawns()), (Some(HoldReason::Config), 0));
    let preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.crash(ExitStatus::Code(2));
    assert_eq!(stage.failure(preload), Some(CrashClass::Config));
    assert_eq!((stage.view().held, stage.spawns()), (Some(HoldReason::Config), 1));
}

#[test]
fn a_missing_model_is_looked_for_every_minute() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    let missing = StageError::Missing;
    stage.answer(Ask::Stage, Completion::Staged(Err(missing)));
    assert_eq!(stage.failure(preload), Some(CrashClass::StageFailed(missing)));
    for look in 1..=3 {
        assert_eq!((stage.tick(), stage.now), (Due::Recheck, Time::ZERO + SECOND * 60 * look));
        stage.answer(Ask::Stage, Completion::Staged(Err(missing)));
        assert_eq!(stage.view().held, Some(HoldReason::Config));
    }
    assert_eq!(stage.view().crashes_total, 1, "looking again is no failure");
    stage.tick();
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready, "the file appeared");
}

#[test]
fn a_missing_program_holds_and_is_looked_for() {
    let mut stage = Stage::new(|_| {});
    let preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    let tried = stage.engine().incarnation;
    stage.spawn_fails(SpawnError::NotFound);
    assert_eq!(stage.failure(preload), Some(CrashClass::SpawnFailed(SpawnError::NotFound)));
    assert_eq!(stage.view().held, Some(HoldReason::Config));
    assert_eq!(stage.view().last_error.and_then(|error| error.incarnation), Some(tried));
    assert_eq!(stage.tick(), Due::Recheck);
}

#[test]
fn a_host_problem_is_not_charged_and_is_looked_at_every_30_s() {
    for (line, problem) in [
        (LogClass::DriverMismatch, HostProblem::DriverMismatch),
        (LogClass::NoDevice, HostProblem::NoDevice),
        (LogClass::AddressInUse, HostProblem::PortStranger),
    ] {
        let mut stage = Stage::starting();
        let ended = stage.now;
        stage.crash_saying(ExitStatus::Code(1), &[line]);
        assert_eq!(stage.crashes_heard(), [CrashClass::HostProblem(problem)]);
        assert_eq!((stage.view().failures, stage.view().crashes_total), (0, 0));
        assert_eq!((stage.tick(), stage.now), (Due::GateOpens, ended + SECOND * 30));
    }
}

#[test]
fn three_failed_probes_in_a_row_are_one_crash() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    make_unhealthy(&mut stage);
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::ProbeFailed { counted: true, .. })), 3);
    assert_eq!(stage.signals(), [Signal::Graceful]);
    stage.crash_saying(ExitStatus::Code(1), &[]);
    assert_eq!(stage.crashes_heard(), [CrashClass::Unhealthy], "its exit is the same crash");
    assert_eq!((stage.view().crashes_total, stage.view().failures), (1, 1));
    assert_eq!(stage.end_lease(lease), Answer::LeaseEndedBefore { how: Some(crate::LeaseEnding::Lost) });
    restart(&mut stage);
}

#[test]
fn a_healthy_answer_forgives_failed_probes() {
    let mut stage = Stage::ready();
    for answer in [ProbeAnswer::Refused, ProbeAnswer::TimedOut, ProbeAnswer::Healthy, ProbeAnswer::Refused] {
        stage.tick_until(Due::ProbeSend);
        stage.probed(answer);
    }
    assert_eq!(stage.phase(), PhaseName::Ready);
}

#[test]
fn a_probe_is_sent_every_five_seconds_and_silence_is_a_time_out() {
    let mut stage = Stage::ready();
    let ready = stage.now;
    assert_eq!((stage.tick(), stage.now), (Due::ProbeSend, ready + SECOND * 5));
    assert_eq!(
        (stage.tick(), stage.now),
        (Due::ProbeAnswer, ready + SECOND * 8),
        "2 s and 1 s for the answer"
    );
    assert_eq!((stage.tick(), stage.now), (Due::ProbeSend, ready + SECOND * 10));
}

#[test]
fn a_busy_engine_may_be_slow_to_answer() {
    let mut stage = Stage::ready();
    for _ in 0..10 {
        let lease = stage.lease();
        stage.end_lease(lease);
        stage.tick_until(Due::ProbeSend);
        stage.probed(ProbeAnswer::TimedOut);
    }
    assert_eq!(stage.phase(), PhaseName::Ready, "work moved between the probes");
}

#[test]
fn a_preload_asked_while_a_clean_end_is_explained_starts_the_engine() {
    let mut stage = Stage::ready();
    stage.exits(ExitStatus::Code(0));
    assert_eq!(stage.phase(), PhaseName::Ended);
    let preload = stage.preload();
    stage.settle();
    assert_eq!((stage.phase(), stage.outcome(preload)), (PhaseName::Ready, Some(Outcome::Completed)));
}

#[test]
fn a_spawn_that_fails_while_the_start_is_given_up_is_charged_and_waits() {
    let mut stage = Stage::new(|spec| spec.policy.start.timeout = SECOND * 3);
    let preload = stage.preload();
    stage.settle_until(PhaseName::Starting);
    assert_eq!(stage.tick(), Due::StartTimeout);
    assert_eq!(stage.tick(), Due::SpawnAnswer);
    let class = CrashClass::SpawnFailed(SpawnError::TimedOut);
    assert_eq!(stage.failure(preload), Some(class));
    assert_eq!((stage.phase(), stage.view().failures), (PhaseName::Waiting, 1), "no loop without backoff");
}

#[test]
fn an_engine_that_ended_does_not_become_stable() {
    let mut stage = Stage::ready();
    stage.pass_healthy(SECOND * 299 + SECOND / 2);
    stage.crash(ExitStatus::Code(1));
    stage.pass(SECOND * 3600);
    assert_eq!(stage.view().failures, 1);
}

#[test]
fn a_preload_asked_while_a_crash_is_explained_waits_for_the_backoff() {
    let mut stage = Stage::ready();
    stage.exits(ExitStatus::Code(1));
    assert_eq!(stage.phase(), PhaseName::Ended);
    stage.preload();
    stage.settle();
    assert_eq!((stage.phase(), stage.spawns()), (PhaseName::Waiting, 0));
    assert!(stage.view().gates.and_then(|gates| gates.backoff_until).is_some());
}
