//! Circuits, as readers see them.

use cucumber::{given, then, when};
use pool_manager_core::{CircuitState, Time};

use super::seconds;
use super::telemetry::{number, records_of};
use crate::backend::{Backend, PoolStatus};
use crate::world::{PoolWorld, status};

#[given(expr = "the {word} breaker of {string} is {word}")]
#[then(expr = "the {word} breaker of {string} is {word}")]
fn is_in_state(world: &mut PoolWorld, circuit: String, pool: String, state: String) {
    let seen = state_of(&world.status(&pool), &circuit);
    assert_eq!(word(seen), state, "{circuit} breaker of {pool}: {:?}", world.status(&pool).circuits);
}

#[given(expr = "within {int} second(s) the {word} breaker of {string} is {word}")]
#[when(expr = "within {int} second(s) the {word} breaker of {string} is {word}")]
#[then(expr = "within {int} second(s) the {word} breaker of {string} is {word}")]
fn comes_to_state(world: &mut PoolWorld, bound: u64, circuit: String, pool: String, state: String) {
    world.within(seconds(bound), &format!("the {circuit} breaker of {pool} is {state}"), |seen| {
        word(state_of(&status(seen, &pool), &circuit)) == state
    });
}

#[then(expr = "for {int} second(s) the {word} breaker of {string} stays {word}")]
fn stays_in_state(world: &mut PoolWorld, span: u64, circuit: String, pool: String, state: String) {
    world.throughout(seconds(span), &format!("the {circuit} breaker of {pool} is {state}"), |seen| {
        word(state_of(&status(seen, &pool), &circuit)) == state
    });
}

#[given(expr = "the {word} breaker of {string} has just opened, for {int} seconds")]
#[then(expr = "the {word} breaker of {string} has just opened, for {int} seconds")]
fn has_opened_for(world: &mut PoolWorld, circuit: String, pool: String, span: u64) {
    let left = open_until(world.seen(), &pool, &circuit).left(world.seen().now());
    let (span, slack) = (seconds(span), world.seen().promptness());
    assert!(span.saturating_sub(slack) <= left && left <= span, "open for another {left:?}, not {span:?}");
}

#[given(expr = "the time at which the {word} breaker of {string} is to be half-open is written down")]
fn until_is_written_down(world: &mut PoolWorld, circuit: String, pool: String) {
    world.noted_at = Some(open_until(world.seen(), &pool, &circuit));
}

#[then(expr = "the {word} breaker of {string} is open until the time that was written down")]
fn until_is_unchanged(world: &mut PoolWorld, circuit: String, pool: String) {
    let noted = world.noted_at.unwrap_or_else(|| panic!("a time was written down"));
    assert_eq!(open_until(world.seen(), &pool, &circuit), noted, "{circuit} breaker of {pool}");
}

#[then(expr = "the log has the changes of the {word} breaker of {string}: {string}")]
fn changes(world: &mut PoolWorld, circuit: String, pool: String, expected: String) {
    let records = records_of(world.seen(), &pool, "circuit changed");
    let field = |record: &pool_manager::telemetry::Record, name: &str| {
        let value = record.field(name).unwrap_or_else(|| panic!("{record:?} has {name}"));
        value.to_string()
    };
    let of_circuit = records.iter().filter(|record| field(record, "circuit") == circuit);
    let line = |record| {
        let failures = number(record, "failures");
        format!("{} to {} at {failures} failures", field(record, "from"), field(record, "to"))
    };
    let changes: Vec<String> = of_circuit.map(line).collect();
    assert_eq!(changes.join(", "), expected, "changes of the {circuit} breaker of {pool}");
}

fn state_of(status: &PoolStatus, circuit: &str) -> CircuitState {
    circuit_of(status, circuit).state
}

fn circuit_of(status: &PoolStatus, circuit: &str) -> crate::backend::CircuitSeen {
    let found = status.circuits.iter().find(|seen| seen.kind.label() == circuit);
    *found.unwrap_or_else(|| panic!("no circuit is called {circuit:?}"))
}

fn open_until(seen: &dyn Backend, pool: &str, circuit: &str) -> Time {
    let until = circuit_of(&status(seen, pool), circuit).until;
    until.unwrap_or_else(|| panic!("the {circuit} breaker of {pool} is open"))
}

const fn word(state: CircuitState) -> &'static str {
    match state {
        CircuitState::Closed => "closed",
        CircuitState::Open => "open",
        CircuitState::HalfOpen => "half-open",
    }
}
