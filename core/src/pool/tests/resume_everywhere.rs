//! The supervisor is started again in every place a pool can be in, whatever became of its engine, with its
//! whole state or with the Facts alone: nothing panics, every operation ends, no lease is forgotten, and what is
//! wanted comes about.

use super::*;
use crate::journal::Facts;
use crate::{Adopted, Resume, Wanted};

/// What is found of the engine.
const FOUND: [Found; 4] =
    [Found::Alive, Found::Ended(ExitStatus::Code(0)), Found::Ended(ExitStatus::Signal(9)), Found::Nothing];

#[derive(Clone, Copy, Debug)]
enum Found {
    Alive,
    Ended(ExitStatus),
    Nothing,
}

/// A pool in a place, with the name of that place.
type Place = (&'static str, Stage);

fn after(mut stage: Stage, acts: impl FnOnce(&mut Stage)) -> Stage {
    acts(&mut stage);
    stage
}

fn leased() -> Stage {
    after(Stage::ready(), |stage| {
        stage.leases(2);
    })
}

fn loading(phase: PhaseName) -> Stage {
    after(Stage::new(|spec| spec.autostart = true), |stage| stage.settle_until(phase))
}

fn logs_cuda(stage: &mut Stage) {
    let engine = stage.engine();
    stage.feed(Input::LogLine { engine, class: LogClass::CudaError, offset: 1 });
}

fn reload(stage: &mut Stage) {
    stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
}

fn without_operation() -> Vec<Place> {
    Vec::from([
        ("stopped", Stage::new(|_| {})),
        ("staging", loading(PhaseName::Staging)),
        ("waiting", loading(PhaseName::Waiting)),
        ("unacknowledged", loading(PhaseName::Starting)),
        ("starting", Stage::starting()),
        ("ready", leased()),
        ("suspect", after(leased(), logs_cuda)),
        (
            "doomed",
            after(leased(), |stage| {
                logs_cuda(stage);
                stage.probed(ProbeAnswer::Refused);
            }),
        ),
        ("unhealthy", after(leased(), crash::make_unhealthy)),
        ("ended", after(leased(), |stage| stage.exits(ExitStatus::Code(1)))),
        ("backing off", after(leased(), |stage| stage.crash(ExitStatus::Code(1)))),
        (
            "held for its configuration",
            after(loading(PhaseName::Staging), |stage| {
                stage.answer(Ask::Stage, Completion::Staged(Err(StageError::Missing)));
            }),
        ),
        ("shutting down", after(leased(), Stage::shutdown)),
    ])
}

fn with_operation() -> Vec<Place> {
    let drained = |stage: &mut Stage| {
        stage.drain();
    };
    let staged = |stage: &mut Stage| {
        reload(stage);
        stage.answer_one(Ask::Preflight);
        stage.answer_one(Ask::Stage);
    };
    let trying = move |stage: &mut Stage| {
        staged(stage);
        stage.exits(ExitStatus::Code(0));
        stage.settle_until(PhaseName::Starting);
    };
    let rolling_back = move |stage: &mut Stage| {
        trying(stage);
        stage.answer_one(Ask::Spawn);
        stage.exits(ExitStatus::Code(1));
        stage.settle_until(PhaseName::Starting);
    };
    let stuck = |stage: &mut Stage| {
        stage.accepted(Verb::Restart);
        stage.tick_until(Due::StuckWait);
    };
    Vec::from([
        ("draining", after(leased(), drained)),
        ("stopping", after(Stage::ready(), drained)),
        (
            "restarting",
            after(leased(), |stage| {
                stage.accepted(Verb::Restart);
            }),
        ),
        ("stuck", after(Stage::ready(), stuck)),
        ("before a preflight", after(leased(), reload)),
        (
            "checking",
            after(leased(), |stage| {
                reload(stage);
                stage.answer_one(Ask::Preflight);
            }),
        ),
        ("model there", after(Stage::ready(), staged)),
        ("candidate", after(Stage::ready(), trying)),
        (
            "candidate of a pool that is down",
            after(Stage::new(|_| {}), |stage| {
                reload(stage);
                stage.settle_until(PhaseName::Starting);
            }),
        ),
        ("rolling back", after(Stage::ready(), rolling_back)),
        (
            "deregistering",
            after(leased(), |stage| {
                stage.accepted(Verb::Deregister);
            }),
        ),
    ])
}

/// The supervisor is started again, with its whole state or with what the Facts tell of it.
fn restart(stage: &mut Stage, found: Found, by_facts: bool) {
    let engine = stage.view().engine.map(|engine| engine.incarnation);
    stage.open.clear();
    stage.now = stage.now + SECOND * 3;
    if by_facts {
        let text = serde_json::to_string(&stage.host.facts()).expect("facts can be written");
        let facts: Facts = serde_json::from_str(&text).expect("facts can be read");
        stage.host = Host::from_facts(HostConfig::default(), &facts, stage.now);
    }
    let engine = engine.map(|incarnation| EngineRef { pool: stage.pool, incarnation });
    let mut resume = Resume { epoch: 2, ..Resume::default() };
    match found {
        Found::Alive => resume.alive.extend(engine.map(|engine| Adopted { engine, pid: 4242 })),
        Found::Ended(status) => resume.ended.extend(engine.map(|engine| (engine, status))),
        Found::Nothing => {}
    }
    stage.feed(Input::Resume(Box::new(resume)));
}

/// Lets a world in which everything goes well run for ten minutes.
fn play_out(stage: &mut Stage) {
    let until = stage.now + SECOND * 600;
    loop {
        stage.settle();
        let Some(pool) = stage.host.view().pool(stage.pool) else { return };
        let dies =
            pool.phase == PhaseName::Stopping || (pool.phase == PhaseName::Held && pool.engine.is_some());
        if dies {
            stage.exits(ExitStatus::Signal(15));
        } else if stage.host.poll_timeout().is_some_and(|(at, ..)| at <= until) {
            stage.tick();
        } else {
            return;
        }
    }
}

#[test]
fn whatever_was_under_way_and_became_of_the_engine_ends_as_it_is_wanted() {
    let places = || without_operation().into_iter().chain(with_operation());
    for (number, (place, _)) in places().enumerate() {
        for found in FOUND {
            for by_facts in [false, true] {
                let what = alloc::format!("{place}, found {found:?}, by Facts: {by_facts}");
                let (_, mut stage) = places().nth(number).expect("the same list");
                let operation = stage.view().operation.map(|operation| operation.id);
                restart(&mut stage, found, by_facts);
                play_out(&mut stage);
                if let Some(operation) = operation.filter(|_| !by_facts) {
                    assert!(stage.outcome(operation).is_some(), "{what}: its caller is answered");
                }
                let Some(pool) = stage.host.view().pool(stage.pool) else {
                    assert_eq!(place, "deregistering", "{what}");
                    continue;
                };
                if place == "candidate of a pool that is down" && by_facts {
                    assert_ne!(pool.wanted, Wanted::Up, "{what}: its reload is over");
                }
                let expected = if pool.wanted == Wanted::Up { PhaseName::Ready } else { PhaseName::Stopped };
                assert_eq!((pool.phase, pool.operation), (expected, None), "{what}");
                assert_eq!(pool.held, None, "{what}");
                stage.assert_conserved();
            }
        }
    }
}
