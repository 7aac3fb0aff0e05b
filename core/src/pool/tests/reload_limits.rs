//! Reload where it ends early or changes nothing: what was wanted stays wanted, policies hold, and silence fails it.

use super::reload::{reload, to_spec, until_stopping};
use super::*;
use crate::{OnDrainTimeout, Reload, Wanted};

#[test]
fn a_pool_that_was_down_never_starts_because_of_a_reload_that_failed() {
    let unfit = [ReleaseAnswer::NoDevice, ReleaseAnswer::PortStranger { port: 8080, pid: None }];
    for answer in unfit {
        let mut stage = Stage::new(|_| {});
        let operation = reload(&mut stage, to_spec(2));
        stage.answer_one(Ask::Preflight);
        stage.answer_one(Ask::Stage);
        stage.answer(Ask::Release, Completion::Released(answer));
        assert!(matches!(stage.outcome(operation), Some(Outcome::Failed { .. })), "{answer:?}");
        assert!(matches!(stage.view().wanted, Wanted::Down(_)), "{answer:?}");
        stage.pass(SECOND * 30);
        stage.settle();
        assert_eq!((stage.phase(), stage.spawns()), (PhaseName::Stopped, 0), "{answer:?}");
    }
}

#[test]
fn a_stuck_candidate_fails_the_reload_and_its_late_exit_brings_the_pool_where_it_was() {
    for was_up in [true, false] {
        let mut stage = if was_up { Stage::ready() } else { Stage::new(|_| {}) };
        let operation = reload(&mut stage, to_spec(2));
        if was_up {
            until_stopping(&mut stage);
            stage.exits(ExitStatus::Code(0));
        }
        stage.settle_until(PhaseName::Starting);
        stage.answer_one(Ask::Spawn);
        stage.tick_until(Due::StuckWait);
        assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Stuck), PhaseName::Held));
        stage.forget();
        stage.exits(ExitStatus::Signal(9));
        stage.settle();
        stage.pass(SECOND * 2);
        stage.settle();
        let (phase, spawned) = if was_up { (PhaseName::Ready, 1) } else { (PhaseName::Stopped, 0) };
        assert_eq!((stage.phase(), stage.spawns()), (phase, spawned), "was up: {was_up}");
        assert_eq!((stage.view().crashes_total, stage.view().last_error), (0, None));
        assert_eq!(stage.view().spec.hash, SpecHash(1));
    }
}

#[test]
fn the_same_model_asked_while_a_clean_end_is_explained_is_a_preload() {
    let mut stage = Stage::ready();
    let operation = reload(&mut stage, to_spec(1).same());
    stage.exits(ExitStatus::Code(0));
    stage.answer_one(Ask::Preflight);
    stage.settle();
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Completed), PhaseName::Ready));
}

#[test]
fn a_forced_reload_of_the_same_model_makes_another_engine_and_keeps_what_back_means() {
    let mut stage = Stage::ready();
    let before = stage.engine();
    let operation = reload(&mut stage, Reload { force: true, ..to_spec(1).same() });
    until_stopping(&mut stage);
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Completed), PhaseName::Ready));
    assert!(stage.engine().incarnation > before.incarnation);
    assert_eq!(stage.view().previous, None);
}

#[test]
fn what_a_drain_time_out_means_is_the_pools_policy_where_the_command_does_not_say() {
    let mut stage = Stage::ready_with(|spec| spec.policy.reload.on_drain_timeout = OnDrainTimeout::Force);
    let lease = stage.lease();
    reload(&mut stage, Reload { deadline: Some(SECOND), ..to_spec(2) });
    stage.answer_one(Ask::Preflight);
    stage.answer_one(Ask::Stage);
    stage.pass(SECOND);
    assert_eq!((stage.phase(), stage.view().lease_totals.cut), (PhaseName::Stopping, 1));
    assert_eq!(stage.end_lease(lease), Answer::LeaseEndedBefore { how: Some(crate::LeaseEnding::Cut) });
}

#[test]
fn a_reload_whose_preflight_or_staging_is_never_answered_fails_and_touches_nothing() {
    for (fetch, due) in [(None, Due::PreflightAnswer), (Some(true), Due::StageNextAnswer)] {
        let mut stage = Stage::ready();
        let engine = stage.engine();
        let operation = reload(&mut stage, to_spec(2));
        if let Some(fetch) = fetch {
            stage.answer(Ask::Preflight, Completion::Preflighted(Ok(Preflight { stamp: None, fetch })));
        }
        stage.pass_while_silent(due);
        assert_eq!(stage.failure(operation), Some(CrashClass::StageFailed(StageError::Stalled)));
        assert_eq!((stage.phase(), stage.engine(), stage.signals()), (PhaseName::Ready, engine, Vec::new()));
        let cancelled = stage.effects.iter().any(|effect| matches!(effect, Effect::CancelStage { .. }));
        assert_eq!(cancelled, due == Due::StageNextAnswer);
    }
}

#[test]
fn an_old_engine_that_was_stopped_for_the_reload_did_not_fail() {
    let mut stage = Stage::ready();
    let operation = reload(&mut stage, to_spec(2));
    until_stopping(&mut stage);
    stage.exits(ExitStatus::Code(0));
    stage.settle_until(PhaseName::Waiting);
    stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::NoDevice));
    let Some(Outcome::Failed { also, .. }) = stage.outcome(operation) else { panic!("it failed") };
    assert_eq!(also, None, "nothing else went wrong");
}

#[test]
fn a_drain_that_is_over_while_the_model_is_on_its_way_is_told_once() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    reload(&mut stage, to_spec(2));
    stage.answer_one(Ask::Preflight);
    let staging = stage.withhold(Ask::Stage);
    let ended = |stage: &Stage| stage.heard(|kind| matches!(kind, EventKind::DrainEnded { .. }));
    assert_eq!((stage.phase(), ended(&stage)), (PhaseName::Draining, 0));
    stage.end_lease(lease);
    assert_eq!((stage.phase(), ended(&stage)), (PhaseName::Draining, 1));
    stage.complete(staging, good_answer(Ask::Stage));
    assert_eq!((stage.phase(), ended(&stage)), (PhaseName::Stopping, 1));
}

#[test]
fn a_candidate_fails_by_itself_and_not_by_being_stopped() {
    let failed = |stage: &Stage| stage.heard(|kind| matches!(kind, EventKind::CandidateFailed { .. }));
    for asked in [true, false] {
        let mut stage = Stage::ready();
        reload(&mut stage, to_spec(2));
        until_stopping(&mut stage);
        stage.exits(ExitStatus::Code(0));
        stage.settle_until(PhaseName::Starting);
        stage.answer_one(Ask::Spawn);
        if asked {
            stage.drain();
        }
        stage.exits(ExitStatus::Code(1));
        stage.settle();
        assert_eq!(failed(&stage), usize::from(!asked));
    }
}
