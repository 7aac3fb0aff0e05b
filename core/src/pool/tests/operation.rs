//! Operations: precedence as a table, over every phase in which the first can run.

use super::*;
use crate::{Meeting, OperationKind, Wanted};

/// Where a pool can be when a command comes and no operation runs; only an operation drains.
const PHASES: [PhaseName; 8] = [
    PhaseName::Stopped,
    PhaseName::Staging,
    PhaseName::Waiting,
    PhaseName::Starting,
    PhaseName::Ready,
    PhaseName::Stopping,
    PhaseName::Ended,
    PhaseName::Held,
];

fn verbs() -> [Verb; 6] {
    let reload = Verb::Reload(Box::new(reload::to_spec(2)));
    [Verb::Preload, Verb::Restart, reload, Verb::Drain { deadline: None }, Verb::Stop, Verb::Deregister]
}

fn kind(verb: &Verb) -> OperationKind {
    match verb {
        Verb::Deregister => OperationKind::Deregister,
        Verb::Drain { .. } | Verb::Undrain => OperationKind::Drain,
        Verb::Preload => OperationKind::Preload,
        Verb::Reload(_) => OperationKind::Reload,
        Verb::Restart => OperationKind::Restart,
        Verb::Stop => OperationKind::Stop,
        Verb::AllowRestart | Verb::ResetBreaker => panic!("{verb:?} is no operation"),
    }
}

/// A pool in a phase with no operation running. Ready and what follows has one active lease.
fn at(phase: PhaseName) -> Stage {
    let mut stage = Stage::new(|spec| spec.autostart = true);
    match phase {
        PhaseName::Staging | PhaseName::Waiting | PhaseName::Starting => stage.settle_until(phase),
        PhaseName::Stopped => {
            stage = Stage::new(|_| {});
        }
        PhaseName::Held => {
            stage.answer(Ask::Stage, Completion::Staged(Err(StageError::Missing)));
        }
        PhaseName::Ready | PhaseName::Draining | PhaseName::Stopping | PhaseName::Ended => {
            stage.settle();
            stage.lease();
        }
    }
    match phase {
        PhaseName::Starting => {
            stage.answer_one(Ask::Spawn);
            stage.answer_one(Ask::Write(FileKind::Pid));
        }
        PhaseName::Stopping => crash::make_unhealthy(&mut stage),
        PhaseName::Ended => stage.exits(ExitStatus::Code(1)),
        PhaseName::Stopped
        | PhaseName::Staging
        | PhaseName::Waiting
        | PhaseName::Ready
        | PhaseName::Draining
        | PhaseName::Held => {}
    }
    assert_eq!(stage.phase(), phase);
    stage
}

/// Lets the world do what it likes until nothing runs, the leases by their deadline.
fn play_out(stage: &mut Stage) {
    for _ in 0..1000 {
        stage.settle();
        let Some(pool) = stage.host.view().pool(stage.pool) else { return };
        if pool.operation.is_none() {
            return;
        }
        match pool.phase {
            PhaseName::Stopping => stage.exits(ExitStatus::Signal(15)),
            PhaseName::Stopped
            | PhaseName::Staging
            | PhaseName::Waiting
            | PhaseName::Starting
            | PhaseName::Ready
            | PhaseName::Draining
            | PhaseName::Ended
            | PhaseName::Held => {
                stage.tick();
            }
        }
    }
    panic!("an operation never ends in {:?}", stage.phase());
}

/// Every phase a verb's operation can be found running in, as the way to get there.
fn running(verb: &Verb) -> Vec<(Stage, OperationId)> {
    let mut found = Vec::new();
    for phase in PHASES {
        let mut stage = at(phase);
        let operation = stage.accepted(verb.clone());
        if stage.outcome(operation).is_none() {
            found.push((stage, operation));
        }
    }
    found
}

#[test]
fn every_ordered_pair_meets_as_the_precedence_says_in_every_phase() {
    let mut met = Vec::new();
    for first in verbs() {
        for second in verbs() {
            for (mut stage, one) in running(&first) {
                let place = alloc::format!("{second:?} meets {first:?} in {:?}", stage.phase());
                let (running, asked) = (kind(&first), kind(&second));
                let answer = stage.command(second.clone());
                match asked.meets(running) {
                    Meeting::Refused => {
                        assert_eq!(answer, Answer::Refused(Refusal::Busy { with: running }), "{place}");
                        assert_eq!(stage.outcome(one), None, "{place}");
                    }
                    Meeting::Joins => {
                        assert_eq!(answer, Answer::Accepted { operation: one }, "{place}");
                    }
                    Meeting::Supersedes => {
                        let superseded = Some(Outcome::Superseded { by: asked });
                        assert_eq!(stage.outcome(one), superseded, "{place}");
                        let Answer::Accepted { operation } = answer else { panic!("{place}: {answer:?}") };
                        play_out(&mut stage);
                        assert!(stage.outcome(operation).is_some(), "{place}: its caller is answered");
                        assert!(ended_well(&stage, &second), "{place}: {:?}", stage.outcome(operation));
                    }
                }
                met.push(kind(&first));
            }
        }
    }
    let phases =
        verbs().map(|verb| met.iter().filter(|first| **first == kind(&verb)).count() / verbs().len());
    assert_eq!(phases, [7, 8, 8, 4, 4, 4], "in how many phases each operation can be met");
}

/// What the pool must look like after an operation that superseded another has run its course.
fn ended_well(stage: &Stage, verb: &Verb) -> bool {
    let view = stage.host.view();
    match (verb, view.pool(stage.pool)) {
        (Verb::Deregister, pool) => pool.is_none(),
        (Verb::Drain { .. } | Verb::Stop, Some(pool)) => {
            pool.phase == PhaseName::Stopped && pool.wanted != Wanted::Up
        }
        (Verb::Preload | Verb::Restart | Verb::Reload(_), Some(pool)) => pool.wanted == Wanted::Up,
        (_, None) | (Verb::AllowRestart | Verb::ResetBreaker | Verb::Undrain, Some(_)) => false,
    }
}

#[test]
fn every_operation_alone_ends_in_every_phase_and_answers_its_caller() {
    for verb in verbs() {
        for phase in PHASES {
            let mut stage = at(phase);
            let operation = stage.accepted(verb.clone());
            play_out(&mut stage);
            let outcome = stage.outcome(operation);
            assert!(outcome.is_some(), "{verb:?} in {phase:?}");
            if phase != PhaseName::Ended && phase != PhaseName::Stopping && verb != Verb::Restart {
                assert!(ended_well(&stage, &verb), "{verb:?} in {phase:?}: {outcome:?}");
            }
        }
    }
}

#[test]
fn a_shutdown_supersedes_every_operation_in_every_phase() {
    for verb in verbs() {
        for (mut stage, operation) in running(&verb) {
            stage.shutdown();
            let by = OperationKind::Shutdown;
            assert_eq!(stage.outcome(operation), Some(Outcome::Superseded { by }), "{verb:?}");
            play_out(&mut stage);
            assert_eq!(stage.exits, 1, "{verb:?}");
        }
    }
}

#[test]
fn a_preload_of_a_ready_pool_is_done() {
    let mut stage = Stage::ready();
    let preload = stage.preload();
    assert_eq!((stage.outcome(preload), stage.effects.len()), (Some(Outcome::Completed), 0));
}

#[test]
fn a_superseding_stop_takes_over_the_drain_and_names_what_it_cut() {
    let mut stage = Stage::ready();
    let leases = stage.leases(2);
    stage.drain();
    let stop = stage.accepted(Verb::Stop);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(stop), Some(Outcome::ForceStopped { cut: leases }));
}

#[test]
fn leases_cut_by_a_drain_stay_named_when_its_stop_is_superseded() {
    let mut stage = Stage::ready();
    let leases = stage.leases(2);
    stage.drain_within(SECOND);
    stage.settle();
    stage.tick_until(Due::DrainDeadline);
    let deregister = stage.accepted(Verb::Deregister);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.outcome(deregister), Some(Outcome::ForceStopped { cut: leases }));
}

#[test]
fn a_restart_is_uncharged_and_survives_a_crash_in_its_drain() {
    let mut stage = Stage::ready();
    stage.lease();
    let restart = stage.accepted(Verb::Restart);
    stage.crash(ExitStatus::Code(1));
    stage.settle();
    assert_eq!((stage.phase(), stage.outcome(restart)), (PhaseName::Ready, Some(Outcome::Completed)));
    assert_eq!(stage.view().restart_count, 0, "an operator's start is no restart under policy");
}

#[test]
fn an_undrain_does_not_take_a_higher_operation_back() {
    let mut stage = Stage::ready();
    stage.lease();
    stage.accepted(Verb::Deregister);
    assert_eq!(stage.refused(Verb::Undrain), Refusal::Busy { with: OperationKind::Deregister });
    assert_eq!(stage.phase(), PhaseName::Draining);
}

#[test]
fn the_events_of_an_operation_carry_its_correlation() {
    let mut stage = Stage::ready();
    stage.accepted(Verb::Deregister);
    let correlation = Some(Correlation([0, stage.commands]));
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    assert_eq!(stage.events.last().map(|event| &event.kind), Some(&EventKind::Deregistered));
    for event in &stage.events {
        assert_eq!(event.correlation, correlation, "{event:?}");
    }
}
