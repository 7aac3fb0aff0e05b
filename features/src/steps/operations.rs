//! Operations: asked for, refused, and ended.

use cucumber::{given, then, when};
use pool_manager_core::{OperationKind, Outcome, PhaseName, Refusal, Verb};

use super::seconds;
use crate::world::{PoolWorld, operation};

const KINDS: [OperationKind; 7] = [
    OperationKind::Preload,
    OperationKind::Restart,
    OperationKind::Reload,
    OperationKind::Drain,
    OperationKind::Stop,
    OperationKind::Deregister,
    OperationKind::Shutdown,
];

#[given(expr = "{string} is told to {word}")]
#[when(expr = "{string} is told to {word}")]
fn is_told(world: &mut PoolWorld, pool: String, verb: String) {
    world.command(&pool, verb_of(&verb));
}

#[when(expr = "a pool that was never registered is told to {word}")]
fn nobody_is_told(world: &mut PoolWorld, verb: String) {
    world.answered = Some(world.host().command_to_nobody(verb_of(&verb)));
}

#[then("the command is accepted")]
fn is_accepted(world: &mut PoolWorld) {
    let answer = world.answered.take();
    assert!(matches!(answer, Some(Ok(_))), "the command was answered {answer:?}");
}

#[then(expr = "the command is refused: {string}")]
fn is_refused(world: &mut PoolWorld, expected: String) {
    match world.answered.take() {
        Some(Err(refusal)) => assert_eq!(refusal_word(&refusal), expected, "{refusal:?}"),
        other => panic!("the command is refused, not answered {other:?}"),
    }
}

#[given(expr = "within {int} second(s) the {word} of {string} ends as {word}")]
#[then(expr = "within {int} second(s) the {word} of {string} ends as {word}")]
fn ends_as(world: &mut PoolWorld, bound: u64, kind: String, pool: String, outcome: String) {
    let kind = kind_of(&kind);
    let id = world.operation_id(&pool, kind);
    world.within(seconds(bound), &format!("the {} of {pool} ends", kind.label()), |seen| {
        operation(seen, id).ended.is_some()
    });
    assert_outcome(world, &pool, kind, &outcome);
}

#[then(expr = "the {word} of {string} has ended as {word}")]
fn has_ended_as(world: &mut PoolWorld, kind: String, pool: String, outcome: String) {
    assert_outcome(world, &pool, kind_of(&kind), &outcome);
}

#[then(expr = "the {word} of {string} was superseded by a {word}")]
fn was_superseded(world: &mut PoolWorld, kind: String, pool: String, by: String) {
    let ended = world.operation(&pool, kind_of(&kind)).ended.map(|(_, outcome)| outcome);
    assert_eq!(ended, Some(Outcome::Superseded { by: kind_of(&by) }), "{kind} of {pool}");
}

#[then(expr = "within {int} second(s) the {word} of {string} fails because {string}")]
fn fails_because(world: &mut PoolWorld, bound: u64, kind: String, pool: String, why: String) {
    ends_as(world, bound, kind.clone(), pool.clone(), "failed".to_owned());
    match world.operation(&pool, kind_of(&kind)).ended {
        Some((_, Outcome::Failed { verdict, .. })) => assert_eq!(verdict.class.to_string(), why),
        other => panic!("the {kind} of {pool} has failed: {other:?}"),
    }
}

fn assert_outcome(world: &PoolWorld, pool: &str, kind: OperationKind, expected: &str) {
    let ended = world.operation(pool, kind).ended.map(|(_, outcome)| outcome);
    let label = ended.as_ref().map(Outcome::label);
    assert_eq!(label, Some(expected), "{} of {pool}: {ended:?}", kind.label());
}

fn verb_of(word: &str) -> Verb {
    match word {
        "deregister" => Verb::Deregister,
        "drain" => Verb::Drain { deadline: None },
        "preload" => Verb::Preload,
        "restart" => Verb::Restart,
        "stop" => Verb::Stop,
        "undrain" => Verb::Undrain,
        _ => panic!("no pool can be told to {word:?}"),
    }
}

fn kind_of(word: &str) -> OperationKind {
    let kind = KINDS.into_iter().find(|kind| kind.label() == word);
    kind.unwrap_or_else(|| panic!("no operation is called {word:?}"))
}

/// A refusal in the words of the scenarios.
pub(super) fn refusal_word(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Busy { with } => format!("busy with {}", with.label()),
        Refusal::CircuitOpen { .. } => "circuit open".to_owned(),
        Refusal::Draining { .. } => "draining".to_owned(),
        Refusal::Full { .. } => "full".to_owned(),
        Refusal::NameTaken { .. } => "name taken".to_owned(),
        Refusal::NoPrevious => "nothing to go back to".to_owned(),
        Refusal::NotDraining => "not draining".to_owned(),
        // Its engine is ready as far as it knows, but suspect.
        Refusal::NotReady { phase: PhaseName::Ready, .. } => "not ready".to_owned(),
        Refusal::NotReady { phase, .. } => format!("not ready but {}", phase.label()),
        Refusal::NotWanted => "not wanted".to_owned(),
        Refusal::PortTaken { port, .. } => format!("port {port} taken"),
        Refusal::Reloading { .. } => "reloading".to_owned(),
        Refusal::ShuttingDown => "shutting down".to_owned(),
        Refusal::TooLate => "too late".to_owned(),
        Refusal::UnknownLease => "unknown lease".to_owned(),
        Refusal::UnknownPool => "unknown pool".to_owned(),
    }
}
