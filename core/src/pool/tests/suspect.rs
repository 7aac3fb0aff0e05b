//! CUDA errors of a live engine: suspect, cleared, doomed.

use super::*;

fn logs(stage: &mut Stage, class: LogClass) {
    let engine = stage.engine();
    stage.feed(Input::LogLine { engine, class, offset: 7 });
}

fn faults(stage: &mut Stage, xid: u32) {
    stage.feed(Input::GpuFault { pool: stage.pool, xid });
}

/// Out of service, with its probe out.
fn suspect() -> Stage {
    let mut stage = Stage::ready();
    logs(&mut stage, LogClass::CudaError);
    stage
}

#[test]
fn a_cuda_line_makes_a_live_engine_suspect_unready_and_probed_now() {
    let mut stage = suspect();
    let view = stage.view();
    assert!(view.suspect && view.health.live && !view.health.ready);
    assert_eq!(stage.asks(), [Ask::Remove(FileKind::Handoff), Ask::Probe]);
    let ask = stage.ask_lease(Priority::Interactive, None);
    assert!(matches!(stage.reply(ask), Answer::Refused(Refusal::NotReady { .. })));
}

#[test]
fn a_prompt_that_was_echoed_into_the_log_restarts_nothing() {
    let mut stage = suspect();
    stage.settle();
    stage.pass_healthy(SECOND * 10);
    let view = stage.view();
    assert!(!view.suspect && view.health.ready);
    assert_eq!((view.crashes_total, stage.signals()), (0, Vec::new()));
    assert_eq!(stage.asks().last(), Some(&Ask::Write(FileKind::Handoff)));
    stage.lease();
    stage.crash(ExitStatus::Signal(11));
    assert_eq!(stage.crashes_heard(), [CrashClass::Signal(11)], "the line proved nothing");
}

#[test]
fn a_failed_probe_dooms_it_and_that_is_its_one_counted_crash() {
    let mut stage = Stage::ready();
    stage.lease();
    logs(&mut stage, LogClass::CudaError);
    stage.probed(ProbeAnswer::TimedOut);
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::EngineDoomed { xid: None })), 1);
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Draining, Vec::new()), "work has 10 s");
    stage.pass(SECOND * 10);
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Stopping, [Signal::Graceful].into()));
    assert_eq!(stage.view().lease_totals.lost, 1, "lost, not cut");
    stage.crash(ExitStatus::Signal(9));
    assert_eq!(stage.crashes_heard(), [CrashClass::Cuda(None)]);
    assert_eq!((stage.view().failures, stage.phase()), (1, PhaseName::Waiting));
}

#[test]
fn an_exit_while_suspect_is_a_cuda_error_whatever_its_status() {
    let mut stage = suspect();
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.crashes_heard(), [CrashClass::Cuda(None)]);
}

#[test]
fn an_xid_confirms_the_line_before_it_or_after_it() {
    for line_first in [true, false] {
        let mut stage = Stage::ready();
        if line_first {
            logs(&mut stage, LogClass::CudaError);
            faults(&mut stage, 79);
        } else {
            faults(&mut stage, 79);
            assert!(stage.view().health.ready, "an Xid alone takes nothing out of service");
            logs(&mut stage, LogClass::CudaError);
        }
        assert_eq!(stage.heard(|kind| matches!(kind, EventKind::EngineDoomed { xid: Some(79) })), 1);
        assert_eq!(stage.phase(), PhaseName::Stopping, "nothing was in flight");
        stage.crash(ExitStatus::Signal(15));
        assert_eq!(stage.crashes_heard(), [CrashClass::Cuda(Some(79))]);
    }
}

#[test]
fn an_xid_shortly_before_an_exit_names_the_cause_and_an_old_one_does_not() {
    for (wait, class) in [(5, CrashClass::Cuda(Some(31))), (11, CrashClass::Exit(1))] {
        let mut stage = Stage::ready();
        faults(&mut stage, 31);
        stage.pass_healthy(SECOND * wait);
        stage.crash(ExitStatus::Code(1));
        assert_eq!(stage.crashes_heard(), [class]);
    }
}

#[test]
fn a_trusted_log_dooms_at_once() {
    let mut stage = Stage::ready_with(|spec| spec.policy.liveness.log_is_trusted = true);
    stage.lease();
    logs(&mut stage, LogClass::CudaError);
    assert!(stage.view().doomed);
    assert_eq!(stage.phase(), PhaseName::Draining);
}

#[test]
fn a_doomed_engine_cannot_be_undrained_and_a_drain_does_not_give_it_more_time() {
    let mut stage = Stage::ready();
    stage.lease();
    logs(&mut stage, LogClass::CudaError);
    stage.probed(ProbeAnswer::Refused);
    let drain = stage.drain_within(SECOND * 60);
    assert_eq!(stage.refused(Verb::Undrain), Refusal::TooLate);
    stage.pass(SECOND * 10);
    stage.crash(ExitStatus::Signal(15));
    assert!(matches!(stage.outcome(drain), Some(Outcome::EngineExited { .. })));
    assert_eq!((stage.phase(), stage.view().crashes_total), (PhaseName::Stopped, 1));
}

#[test]
fn a_reload_of_a_doomed_engine_goes_on() {
    let mut stage = Stage::ready();
    stage.lease();
    logs(&mut stage, LogClass::CudaError);
    stage.probed(ProbeAnswer::Refused);
    let operation = stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
    stage.answer_one(Ask::Preflight);
    stage.pass(SECOND * 10);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Completed), PhaseName::Ready));
    assert_eq!(stage.view().crashes_total, 1);
}

#[test]
fn lines_of_other_classes_and_of_older_engines_take_nothing_out_of_service() {
    let mut stage = Stage::ready();
    let old = stage.engine();
    logs(&mut stage, LogClass::GpuOutOfMemory);
    assert!(stage.view().health.ready);
    stage.crash(ExitStatus::Code(1));
    stage.forget();
    stage.feed(Input::LogLine { engine: old, class: LogClass::CudaError, offset: 9 });
    assert_eq!(stage.heard(|kind| *kind == EventKind::StaleInput), 1);
}

#[test]
fn a_probe_that_takes_longer_than_the_suspicion_still_decides() {
    for (answer, ready) in [(ProbeAnswer::Healthy, true), (ProbeAnswer::TimedOut, false)] {
        let mut stage = Stage::ready_with(|spec| spec.policy.liveness.timeout = SECOND * 25);
        logs(&mut stage, LogClass::CudaError);
        stage.pass(SECOND * 20);
        assert!(stage.view().suspect);
        stage.probed(answer);
        assert_eq!((stage.view().health.ready, stage.phase() == PhaseName::Stopping), (ready, !ready));
    }
}

#[test]
fn a_suspicion_that_ends_in_the_instant_of_its_probes_time_out_leaves_no_busy_loop() {
    // The probe's own limit and the margin of its answer are as long as the suspicion.
    let mut stage = Stage::ready_with(|spec| spec.policy.liveness.timeout = SECOND * 9);
    logs(&mut stage, LogClass::CudaError);
    stage.pass(SECOND * 10);
    assert_eq!(stage.phase(), PhaseName::Stopping, "silence is a failed probe");
    assert!(stage.host.poll_timeout().is_none_or(|(at, ..)| at > stage.now));
}

#[test]
fn a_line_from_before_ready_proves_nothing_long_after() {
    let mut stage = Stage::starting();
    logs(&mut stage, LogClass::CudaError);
    stage.settle();
    stage.pass_healthy(SECOND * 600);
    faults(&mut stage, 31);
    assert!(stage.view().health.ready, "an Xid alone takes nothing out of service");
    stage.pass_healthy(SECOND * 11);
    stage.crash(ExitStatus::Code(1));
    assert_eq!(stage.crashes_heard(), [CrashClass::Exit(1)]);
}

#[test]
fn without_liveness_probes_a_suspect_engine_is_probed_once() {
    let mut stage = Stage::ready_with(|spec| spec.policy.liveness.interval = Duration::ZERO);
    logs(&mut stage, LogClass::CudaError);
    stage.settle();
    assert_eq!(stage.asks().iter().filter(|ask| **ask == Ask::Probe).count(), 1);
    stage.pass_healthy(SECOND * 10);
    assert!(stage.view().health.ready);
    assert_eq!(stage.asks().iter().filter(|ask| **ask == Ask::Probe).count(), 1);
}

#[test]
fn a_suspect_engine_whose_drain_is_taken_back_is_suspect_until_it_is_cleared() {
    let mut stage = Stage::ready();
    stage.lease();
    logs(&mut stage, LogClass::CudaError);
    stage.drain();
    stage.accepted(Verb::Undrain);
    assert!(stage.view().suspect && !stage.view().health.ready);
    assert!(!stage.asks().contains(&Ask::Write(FileKind::Handoff)), "not handed off before it is cleared");
    stage.settle();
    stage.pass_healthy(SECOND * 10);
    assert!(stage.view().health.ready, "no suspicion lasts for ever");
    assert!(stage.asks().contains(&Ask::Write(FileKind::Handoff)));
}

#[test]
fn a_reload_of_a_suspect_engine_that_is_given_up_leaves_it_running() {
    let mut stage = suspect();
    let operation = stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
    stage.answer_one(Ask::Preflight);
    assert_eq!(stage.phase(), PhaseName::Draining);
    stage.answer(Ask::Stage, Completion::Staged(Err(StageError::BadDigest)));
    assert_eq!(stage.failure(operation), Some(CrashClass::StageFailed(StageError::BadDigest)));
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Ready, Vec::new()));
    stage.settle();
    stage.pass_healthy(SECOND * 10);
    assert!(stage.view().health.ready);
}

#[test]
fn a_doomed_engine_keeps_the_count_of_leases() {
    let mut stage = Stage::ready();
    let leases = stage.leases(3);
    logs(&mut stage, LogClass::CudaError);
    stage.probed(ProbeAnswer::Refused);
    stage.end_lease(leases[0]);
    stage.assert_conserved();
    stage.pass(SECOND * 10);
    stage.assert_conserved();
    let totals = stage.view().lease_totals;
    assert_eq!((totals.completed, totals.lost, totals.cut), (1, 2, 0));
    assert_eq!(stage.end_lease(leases[1]), Answer::LeaseEndedBefore { how: Some(crate::LeaseEnding::Lost) });
}

#[test]
fn a_draining_engine_is_doomed_once_and_its_drain_is_cut_short() {
    let mut stage = Stage::ready_with(|spec| spec.policy.liveness.log_is_trusted = true);
    stage.lease();
    stage.drain();
    let until = stage.view().drain_deadline;
    logs(&mut stage, LogClass::CudaError);
    let cut_short = Some(stage.now + SECOND * 10);
    assert_eq!((stage.view().drain_deadline, stage.view().doomed), (cut_short, true));
    assert!(cut_short < until);
    stage.now = stage.now + SECOND;
    logs(&mut stage, LogClass::CudaError);
    assert_eq!(stage.view().drain_deadline, cut_short);
    assert_eq!(stage.heard(|kind| matches!(kind, EventKind::EngineDoomed { .. })), 1);
}
