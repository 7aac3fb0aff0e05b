//! Every deadline is fired by something and does what it is for.

use super::*;
use crate::CircuitState;

/// A pool in which this deadline is armed.
fn armed(due: Due) -> Stage {
    let mut stage = match due {
        Due::StartTimeout => Stage::starting(),
        Due::Recheck | Due::ReleaseAnswer | Due::SpawnAnswer | Due::StageAnswer => Stage::new(|_| {}),
        Due::PidFileAnswer => Stage::new(|spec| spec.autostart = true),
        Due::CircuitHalfOpen | Due::TrialOver => {
            Stage::ready_with(|spec| spec.policy.restart.circuit_failures = 1)
        }
        Due::SuspectOver => Stage::ready_with(|spec| spec.policy.liveness.interval = SECOND * 4),
        Due::QueueWait => Stage::ready_with(|spec| spec.policy.lease.slots = 1),
        Due::DrainDeadline
        | Due::EvidenceAnswer
        | Due::GateOpens
        | Due::HandoffFileAnswer
        | Due::KillGrace
        | Due::LeaseExpiry
        | Due::PreflightAnswer
        | Due::ProbeAnswer
        | Due::ProbeSend
        | Due::RestartCountReset
        | Due::Stable
        | Due::StageNextAnswer
        | Due::StuckWait => Stage::ready(),
    };
    bring_about(&mut stage, due);
    stage.forget();
    stage
}

fn bring_about(stage: &mut Stage, due: Due) {
    let fetch = Preflight { stamp: None, fetch: true };
    match due {
        Due::ProbeSend | Due::StartTimeout => {}
        Due::CircuitHalfOpen
        | Due::EvidenceAnswer
        | Due::GateOpens
        | Due::RestartCountReset
        | Due::Stable => {
            stage.exits(ExitStatus::Code(1));
            if due == Due::EvidenceAnswer {
                // Its files are gone: only the explanation is missing.
                stage.answer_one(Ask::Remove(FileKind::Pid));
                stage.answer_one(Ask::Remove(FileKind::Handoff));
            } else {
                stage.settle_files();
            }
            if matches!(due, Due::RestartCountReset | Due::Stable) {
                stage.tick_until(Due::GateOpens);
                stage.settle();
            }
        }
        Due::TrialOver => {
            stage.crash(ExitStatus::Code(1));
            stage.tick_until(Due::CircuitHalfOpen);
            stage.settle();
        }
        Due::DrainDeadline | Due::LeaseExpiry | Due::QueueWait => {
            stage.lease();
            if due == Due::DrainDeadline {
                stage.drain();
            }
            stage.ask_lease(Priority::Batch, None);
        }
        Due::HandoffFileAnswer | Due::KillGrace | Due::StuckWait => {
            stage.accepted(Verb::Stop);
        }
        Due::ProbeAnswer => stage.tick_until(Due::ProbeSend),
        Due::SuspectOver => {
            let engine = stage.engine();
            stage.feed(Input::LogLine { engine, class: LogClass::CudaError, offset: 1 });
        }
        Due::Recheck => {
            stage.preload();
            stage.answer(Ask::Stage, Completion::Staged(Err(StageError::Missing)));
        }
        Due::StageAnswer => {
            stage.preload();
        }
        Due::ReleaseAnswer => {
            stage.preload();
            stage.answer_one(Ask::Stage);
        }
        Due::SpawnAnswer => {
            stage.preload();
            stage.settle_until(PhaseName::Starting);
        }
        Due::PidFileAnswer => {
            stage.settle_until(PhaseName::Starting);
            stage.answer_one(Ask::Spawn);
        }
        Due::PreflightAnswer | Due::StageNextAnswer => {
            stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
            if due == Due::StageNextAnswer {
                stage.answer(Ask::Preflight, Completion::Preflighted(Ok(fetch)));
            }
        }
    }
}

/// Whether what a deadline is for has come about in the step that fired it.
fn came_about(stage: &Stage, due: Due) -> bool {
    let view = stage.view();
    let heard = |pick: fn(&EventKind) -> bool| stage.heard(pick) > 0;
    match due {
        Due::CircuitHalfOpen => view.circuits[0].state == CircuitState::HalfOpen,
        Due::DrainDeadline => view.lease_totals.cut == 1 && view.phase == PhaseName::Stopping,
        Due::EvidenceAnswer => !stage.crashes_heard().is_empty(),
        Due::GateOpens => stage.asks().last() == Some(&Ask::Release),
        Due::HandoffFileAnswer => {
            heard(|kind| matches!(kind, EventKind::FileFailed { file: FileKind::Handoff, .. }))
        }
        Due::KillGrace => stage.signals().last() == Some(&Signal::KillTree),
        Due::LeaseExpiry => view.lease_totals.expired == 1,
        Due::PidFileAnswer => heard(|kind| matches!(kind, EventKind::FileFailed { file: FileKind::Pid, .. })),
        Due::PreflightAnswer | Due::StageNextAnswer => view.operation.is_none() && view.health.ready,
        Due::ProbeAnswer => heard(|kind| matches!(kind, EventKind::ProbeFailed { misses: 1, .. })),
        Due::ProbeSend => stage.is_open(Ask::Probe),
        Due::QueueWait => view.leases_queued == 0 && view.leases_active == 1,
        Due::Recheck => stage.asks() == [Ask::Stage],
        Due::ReleaseAnswer => view.held.is_some(),
        Due::RestartCountReset => view.restart_count == 0,
        Due::SpawnAnswer => stage.crashes_heard() == [CrashClass::SpawnFailed(SpawnError::TimedOut)],
        Due::Stable => view.failures == 0,
        Due::StageAnswer => stage.crashes_heard() == [CrashClass::StageFailed(StageError::Stalled)],
        Due::StartTimeout => view.phase == PhaseName::Stopping,
        Due::StuckWait => heard(|kind| *kind == EventKind::EngineStuck),
        Due::SuspectOver => view.health.ready,
        Due::TrialOver => view.circuits[0].state == CircuitState::Closed,
    }
}

/// Whether an engine that is well answers on the way to a deadline.
fn answers_meanwhile(due: Due) -> bool {
    matches!(
        due,
        Due::LeaseExpiry
            | Due::QueueWait
            | Due::PreflightAnswer
            | Due::StageNextAnswer
            | Due::RestartCountReset
            | Due::Stable
            | Due::TrialOver
            | Due::SuspectOver
    )
}

#[test]
fn every_deadline_fires_and_does_what_it_is_for() {
    for due in Due::ALL {
        let mut stage = armed(due);
        if answers_meanwhile(due) {
            stage.answer_probes();
        }
        assert!(!came_about(&stage, due), "{due:?}: not before it fires");
        if answers_meanwhile(due) {
            stage.pass_while_silent(due);
        } else {
            stage.tick_until(due);
        }
        assert!(came_about(&stage, due), "{due:?} in {:?}", stage.phase());
        stage.assert_conserved();
    }
}
