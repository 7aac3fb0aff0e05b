//! Reload: all or nothing, from every phase.

use super::*;
use crate::{FileKind, OnDrainTimeout, Reload, ReloadTarget, Wanted};

/// Another model, staged without a fetch unless the test says otherwise.
pub(super) fn to_spec(hash: u64) -> Reload {
    to_spec_on(hash, spec("a").engine.device_mask)
}

pub(super) fn to_spec_on(hash: u64, device_mask: Vec<String>) -> Reload {
    let mut engine = EngineSpec { hash: SpecHash(hash), device_mask, ..spec("a").engine };
    engine.catalog.model = alloc::format!("m{hash}.gguf");
    Reload { to: ReloadTarget::Spec(engine), deadline: None, on_drain_timeout: None, force: false }
}

pub(super) fn reload(stage: &mut Stage, ask: Reload) -> OperationId {
    stage.accepted(Verb::Reload(Box::new(ask)))
}

fn model(stage: &Stage) -> String {
    stage.view().spec.catalog.model.clone()
}

fn spawned_specs(stage: &Stage) -> Vec<SpecHash> {
    let spec = |effect: &Effect| if let Effect::Spawn { spec, .. } = effect { Some(*spec) } else { None };
    stage.effects.iter().filter_map(spec).collect()
}

/// A reload whose candidate has just been spawned.
fn trying(stage: &mut Stage) -> OperationId {
    let operation = reload(stage, to_spec(2));
    until_stopping(stage);
    stage.exits(ExitStatus::Code(0));
    stage.settle_until(PhaseName::Starting);
    operation
}

pub(super) fn until_stopping(stage: &mut Stage) {
    stage.settle_until(PhaseName::Stopping);
}

#[test]
fn a_reload_ends_with_the_new_model_and_keeps_the_old_one_for_back() {
    let mut stage = Stage::ready();
    let operation = trying(&mut stage);
    assert_eq!(model(&stage), "m.gguf", "not committed before it is ready");
    stage.settle();
    assert_eq!(stage.outcome(operation), Some(Outcome::Completed));
    assert_eq!((model(&stage).as_str(), stage.phase()), ("m2.gguf", PhaseName::Ready));
    assert_eq!(stage.view().previous.map(|spec| spec.hash), Some(SpecHash(1)));
    let back = Reload { to: ReloadTarget::Back, ..to_spec(9) };
    let operation = reload(&mut stage, back);
    until_stopping(&mut stage);
    stage.exits(ExitStatus::Code(0));
    stage.settle();
    assert_eq!(stage.outcome(operation), Some(Outcome::Completed));
    assert_eq!(model(&stage), "m.gguf");
}

#[test]
fn from_its_commit_on_a_candidate_is_an_engine_like_any_other() {
    let mut stage = Stage::ready();
    trying(&mut stage);
    stage.settle();
    stage.crash(ExitStatus::Signal(11));
    assert_eq!(stage.crashes_heard(), [CrashClass::Signal(11)]);
    assert_eq!((stage.view().crashes_total, stage.view().failures), (1, 1));
}

#[test]
fn back_needs_a_spec_to_go_back_to() {
    let mut stage = Stage::ready();
    let back = Reload { to: ReloadTarget::Back, ..to_spec(9) };
    assert_eq!(stage.refused(Verb::Reload(Box::new(back))), Refusal::NoPrevious);
}

#[test]
fn nothing_is_touched_before_the_preflight_and_no_drain_begins_before_bytes_are_fetched() {
    let mut stage = Stage::ready();
    reload(&mut stage, to_spec(2));
    assert_eq!(stage.asks(), [Ask::Preflight]);
    stage.answer(Ask::Preflight, Completion::Preflighted(Ok(Preflight { stamp: None, fetch: true })));
    assert_eq!((stage.asks(), stage.phase()), ([Ask::Preflight, Ask::Stage].into(), PhaseName::Ready));
    stage.lease();
    stage.answer_one(Ask::Stage);
    assert_eq!(stage.phase(), PhaseName::Draining);
}

#[test]
fn a_model_that_is_there_is_checked_while_the_drain_runs_and_the_engine_waits_for_both() {
    let mut stage = Stage::ready();
    reload(&mut stage, to_spec(2));
    stage.answer_one(Ask::Preflight);
    assert_eq!(stage.phase(), PhaseName::Draining, "drained already, but not staged");
    assert_eq!(stage.signals(), []);
    stage.pass(SECOND);
    stage.answer_one(Ask::Stage);
    assert_eq!(stage.heard(|kind| *kind == EventKind::ModelStaged { took: SECOND }), 1);
    assert_eq!((stage.phase(), stage.signals()), (PhaseName::Stopping, [Signal::Graceful].into()));
}

#[test]
fn staging_that_fails_brings_the_drained_engine_back_to_service() {
    let mut stage = Stage::ready();
    let operation = reload(&mut stage, to_spec(2));
    stage.answer_one(Ask::Preflight);
    stage.answer(Ask::Stage, Completion::Staged(Err(StageError::BadDigest)));
    assert_eq!(stage.phase(), PhaseName::Ready);
    assert_eq!(stage.failure(operation), Some(CrashClass::StageFailed(StageError::BadDigest)));
    assert_eq!((stage.signals(), stage.view().last_error), (Vec::new(), None));
    stage.lease();
}

#[test]
fn a_crash_during_the_drain_does_not_fail_the_reload_and_is_charged_once() {
    let mut stage = Stage::ready();
    stage.lease();
    let operation = reload(&mut stage, to_spec(2));
    stage.answer_one(Ask::Preflight);
    stage.exits(ExitStatus::Code(1));
    stage.settle();
    assert_eq!(stage.outcome(operation), Some(Outcome::Completed));
    assert_eq!(spawned_specs(&stage), [SpecHash(2)]);
    assert_eq!((stage.view().crashes_total, stage.view().failures), (1, 0), "another spec starts afresh");
}

#[test]
fn staging_that_fails_after_a_crash_says_both_and_the_old_spec_is_restarted_once() {
    let mut stage = Stage::ready();
    stage.lease();
    let operation = reload(&mut stage, to_spec(2));
    stage.answer_one(Ask::Preflight);
    stage.exits(ExitStatus::Code(1));
    stage.settle_files();
    stage.answer(Ask::Stage, Completion::Staged(Err(StageError::Missing)));
    let Some(Outcome::Failed { verdict, also: Some(also) }) = stage.outcome(operation) else {
        panic!("it ended {:?}", stage.outcome(operation))
    };
    let classes = (verdict.class, also.class);
    assert_eq!(classes, (CrashClass::StageFailed(StageError::Missing), CrashClass::Exit(1)));
    assert_eq!(
        (stage.phase(), stage.view().crashes_total, stage.view().failures),
        (PhaseName::Waiting, 1, 1)
    );
    stage.tick();
    stage.settle();
    assert_eq!((spawned_specs(&stage), stage.phase()), ([SpecHash(1)].into(), PhaseName::Ready));
}

#[test]
fn a_drain_that_times_out_is_taken_back_or_forced_as_the_command_says() {
    for (on_drain_timeout, expected) in
        [(None, PhaseName::Ready), (Some(OnDrainTimeout::Force), PhaseName::Stopping)]
    {
        let mut stage = Stage::ready();
        stage.lease();
        let ask = Reload { deadline: Some(SECOND), on_drain_timeout, ..to_spec(2) };
        let operation = reload(&mut stage, ask);
        stage.answer_one(Ask::Preflight);
        stage.answer_one(Ask::Stage);
        stage.pass(SECOND);
        assert_eq!(stage.phase(), expected);
        if on_drain_timeout.is_none() {
            assert_eq!(stage.outcome(operation), Some(Outcome::TimedOut));
            assert_eq!(stage.signals(), []);
            stage.lease();
        } else {
            assert_eq!(stage.view().lease_totals.cut, 1);
        }
    }
}

#[test]
fn a_candidate_that_fails_leaves_no_trace_but_the_reloads_own() {
    let mut stage = Stage::ready();
    let operation = trying(&mut stage);
    stage.answer_one(Ask::Spawn);
    stage.exits(ExitStatus::Code(1));
    stage.settle();
    let Some(Outcome::RolledBack { verdict }) = stage.outcome(operation) else {
        panic!("it ended {:?}", stage.outcome(operation))
    };
    assert_eq!(verdict.class, CrashClass::Exit(1));
    assert_eq!(spawned_specs(&stage), [SpecHash(2), SpecHash(1)]);
    let view = stage.view();
    assert_eq!((view.phase, view.last_error, view.crashes_total), (PhaseName::Ready, None, 0));
    assert_eq!((view.failures, view.restart_count, view.previous), (0, 0, None));
}

#[test]
fn a_rollback_that_fails_is_failure_one_of_the_old_spec_and_the_caller_hears_both() {
    let mut stage = Stage::ready();
    let operation = trying(&mut stage);
    stage.answer_one(Ask::Spawn);
    stage.exits(ExitStatus::Code(1));
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.exits(ExitStatus::Signal(11));
    stage.settle_until(PhaseName::Waiting);
    let Some(Outcome::Failed { verdict, also: Some(also) }) = stage.outcome(operation) else {
        panic!("it ended {:?}", stage.outcome(operation))
    };
    assert_eq!((verdict.class, also.class), (CrashClass::Exit(1), CrashClass::Signal(11)));
    assert_eq!((stage.view().failures, stage.view().crashes_total), (1, 1));
}

#[test]
fn a_pool_that_was_down_is_down_again_after_a_reload_that_failed() {
    let mut stage = Stage::new(|_| {});
    let operation = reload(&mut stage, to_spec(2));
    stage.settle_until(PhaseName::Starting);
    stage.answer_one(Ask::Spawn);
    stage.exits(ExitStatus::Code(1));
    stage.settle();
    assert!(matches!(stage.outcome(operation), Some(Outcome::RolledBack { .. })));
    assert_eq!(stage.phase(), PhaseName::Stopped);
    assert!(matches!(stage.view().wanted, Wanted::Down(_)));
}

#[test]
fn an_old_engine_that_is_stuck_or_ports_that_stay_held_fail_the_reload_and_nothing_is_spawned() {
    let mut stage = Stage::ready();
    let operation = reload(&mut stage, to_spec(2));
    stage.answer_one(Ask::Preflight);
    stage.answer_one(Ask::Stage);
    stage.pass(SECOND * 5);
    stage.pass(SECOND * 10);
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Stuck), PhaseName::Held));

    let mut stage = Stage::ready();
    let operation = reload(&mut stage, to_spec(2));
    until_stopping(&mut stage);
    stage.exits(ExitStatus::Code(0));
    stage.settle_files();
    for _ in 0..200 {
        if stage.phase() != PhaseName::Waiting {
            break;
        }
        stage.answer(Ask::Release, Completion::Released(ReleaseAnswer::Held));
        if stage.phase() == PhaseName::Waiting {
            stage.tick();
        }
    }
    let not_released = CrashClass::HostProblem(crate::HostProblem::NotReleased);
    assert_eq!((stage.failure(operation), stage.phase()), (Some(not_released), PhaseName::Held));
    assert_eq!((spawned_specs(&stage), stage.view().last_error), (Vec::new(), None));
}

#[test]
fn the_same_model_is_success_when_ready_and_a_preload_otherwise() {
    let mut stage = Stage::ready();
    let operation = reload(&mut stage, to_spec(1).same());
    stage.answer_one(Ask::Preflight);
    assert_eq!((stage.outcome(operation), stage.asks()), (Some(Outcome::Completed), [Ask::Preflight].into()));

    let mut stage = Stage::new(|_| {});
    let operation = reload(&mut stage, to_spec(1).same());
    stage.settle();
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Completed), PhaseName::Ready));
    assert_eq!(spawned_specs(&stage), [SpecHash(1)]);
}

#[test]
fn other_bytes_under_the_same_name_are_another_model() {
    let mut stage = Stage::ready();
    reload(&mut stage, to_spec(1).same());
    let found = Preflight { stamp: Some(ModelStamp(99)), fetch: false };
    stage.answer(Ask::Preflight, Completion::Preflighted(Ok(found)));
    assert_eq!(stage.phase(), PhaseName::Draining);
}

#[test]
fn a_candidate_passes_an_open_circuit_and_its_commit_closes_it() {
    let mut stage = Stage::starting_with(|spec| spec.policy.restart.circuit_failures = 1);
    stage.exits(ExitStatus::Code(1));
    stage.settle_until(PhaseName::Waiting);
    assert!(stage.view().failed, "the circuit is open");
    let operation = reload(&mut stage, to_spec(2));
    stage.settle();
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Completed), PhaseName::Ready));
    assert!(stage.view().circuits.iter().all(|circuit| circuit.state == crate::CircuitState::Closed));
}

#[test]
fn a_superseded_reload_stops_its_candidate_and_keeps_the_committed_spec() {
    let mut stage = Stage::ready();
    let operation = trying(&mut stage);
    stage.answer_one(Ask::Spawn);
    let stop = stage.accepted(Verb::Stop);
    let by = crate::OperationKind::Stop;
    assert_eq!(stage.outcome(operation), Some(Outcome::Superseded { by }));
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(stop), Some(Outcome::Completed));
    assert_eq!((model(&stage).as_str(), stage.view().last_error), ("m.gguf", None));
    stage.preload();
    stage.settle();
    assert_eq!(spawned_specs(&stage), [SpecHash(2), SpecHash(1)]);
}

#[test]
fn a_spawn_that_fails_under_the_restart_it_supersedes_leaves_the_old_spec_to_start() {
    let mut stage = Stage::new(|_| {});
    stage.preload();
    stage.settle_until(PhaseName::Starting);
    stage.accepted(Verb::Restart);
    reload(&mut stage, to_spec(2));
    stage.spawn_fails(SpawnError::NoResources);
    assert_eq!((stage.phase(), stage.view().crashes_total), (PhaseName::Staging, 0));
}

#[test]
fn staging_of_a_superseded_reload_is_cancelled() {
    let mut stage = Stage::ready();
    reload(&mut stage, to_spec(2));
    stage.answer(Ask::Preflight, Completion::Preflighted(Ok(Preflight { stamp: None, fetch: true })));
    stage.drain();
    assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::CancelStage { .. })));
}

#[test]
fn lease_asks_during_a_reload_hear_reloading() {
    let mut stage = Stage::ready();
    stage.lease();
    reload(&mut stage, to_spec(2));
    stage.answer_one(Ask::Preflight);
    let ask = stage.ask_lease(Priority::Interactive, None);
    assert!(matches!(stage.reply(ask), Answer::Refused(Refusal::Reloading { .. })));
}

#[test]
fn the_handoff_file_is_written_after_the_commit() {
    let mut stage = Stage::ready();
    trying(&mut stage);
    stage.settle();
    let handoff = stage.asks().iter().filter(|ask| **ask == Ask::Write(FileKind::Handoff)).count();
    assert_eq!((handoff, model(&stage).as_str()), (1, "m2.gguf"));
}

impl Reload {
    /// The very spec that is committed.
    pub(super) fn same(mut self) -> Self {
        self.to = ReloadTarget::Spec(spec("a").engine);
        self
    }
}

#[test]
fn once_it_is_committed_an_engine_is_one_like_any_other() {
    let mut stage = Stage::new(|_| {});
    reload(&mut stage, to_spec(2));
    stage.settle();
    stage.pass(SECOND);
    stage.settle();
    assert_eq!((stage.phase(), stage.view().spec.hash), (PhaseName::Ready, SpecHash(2)));
    let run = stage.host.facts().pools.first().and_then(|pool| pool.engine).expect("an engine");
    assert_ne!(run.started_by, Some(crate::journal::StartedBy::Candidate), "another version lets it serve");
    stage.crash(ExitStatus::Code(1));
    assert_eq!((stage.view().crashes_total, stage.view().failures), (1, 1), "its end counts");
}
