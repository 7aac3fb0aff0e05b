//! Engines as the host's process table shows them. `engine 1` of a pool is its first, `the engine` its newest.

use cucumber::{given, then};
use pool_manager_core::Signal;

use super::{millis, seconds};
use crate::backend::ProcessSeen;
use crate::world::PoolWorld;

#[then(expr = "the engine of {string} is gone")]
fn is_gone(world: &mut PoolWorld, pool: String) {
    let processes = world.seen().processes(&pool);
    assert!(!processes.is_empty(), "{pool} had an engine");
    assert!(processes.iter().all(|process| !process.is_alive()), "processes of {pool}: {processes:?}");
}

#[given(expr = "the engine of {string} was sent no signal")]
#[then(expr = "the engine of {string} was sent no signal")]
fn was_sent_nothing(world: &mut PoolWorld, pool: String) {
    assert_eq!(signals(&world.newest_engine(&pool)), [], "signals to the engine of {pool}");
}

#[then(expr = "the engine of {string} was sent TERM and no KILL")]
fn was_sent_term_only(world: &mut PoolWorld, pool: String) {
    assert_eq!(signals(&world.newest_engine(&pool)), [Signal::Graceful], "signals to the engine of {pool}");
}

#[then(expr = "engine {int} of {string} was sent TERM, and KILL {int} ms later")]
fn was_sent_kill_after(world: &mut PoolWorld, number: usize, pool: String, grace: u64) {
    let engine = world.engine(&pool, number);
    let [(term_at, Signal::Graceful), (kill_at, Signal::KillTree)] = engine.signals.as_slice() else {
        panic!("TERM and then KILL, not {:?}", engine.signals);
    };
    let (grace, slack) = (millis(grace), world.seen().promptness());
    let waited = kill_at.since(*term_at);
    assert!(grace <= waited && waited <= grace + slack, "KILL came {waited:?} after TERM");
}

#[given(expr = "within {int} second(s) engine {int} of {string} runs")]
#[then(expr = "within {int} second(s) engine {int} of {string} runs")]
fn comes_to_run(world: &mut PoolWorld, bound: u64, number: usize, pool: String) {
    world.within(seconds(bound), &format!("engine {number} of {pool} runs"), |seen| {
        seen.processes(&pool).get(number - 1).is_some_and(ProcessSeen::is_alive)
    });
}

#[then(expr = "within {int} second(s) engine {int} of {string} is gone")]
fn comes_to_its_end(world: &mut PoolWorld, bound: u64, number: usize, pool: String) {
    world.within(seconds(bound), &format!("engine {number} of {pool} is gone"), |seen| {
        seen.processes(&pool).get(number - 1).is_some_and(|engine| !engine.is_alive())
    });
}

#[then(expr = "engine {int} of {string} runs")]
fn runs(world: &mut PoolWorld, number: usize, pool: String) {
    assert!(world.engine(&pool, number).is_alive(), "engine {number} of {pool} runs");
}

#[then(expr = "engine {int} of {string} is gone")]
fn numbered_is_gone(world: &mut PoolWorld, number: usize, pool: String) {
    assert!(!world.engine(&pool, number).is_alive(), "engine {number} of {pool} is gone");
}

#[then(expr = "engine {int} of {string} was sent no signal")]
fn numbered_was_sent_nothing(world: &mut PoolWorld, number: usize, pool: String) {
    assert_eq!(signals(&world.engine(&pool, number)), [], "signals to engine {number} of {pool}");
}

#[then(expr = "engine {int} of {string} was sent TERM and no KILL")]
fn numbered_was_sent_term_only(world: &mut PoolWorld, number: usize, pool: String) {
    assert_eq!(signals(&world.engine(&pool, number)), [Signal::Graceful], "signals to engine {number}");
}

#[then(expr = "engine {int} of {string} was started with {string}")]
fn was_started_with(world: &mut PoolWorld, number: usize, pool: String, model: String) {
    assert_eq!(world.engine(&pool, number).model, model, "model of engine {number} of {pool}");
}

#[given(expr = "{string} has had {int} engine(s)")]
#[then(expr = "{string} has had {int} engine(s)")]
fn has_had(world: &mut PoolWorld, pool: String, count: usize) {
    let processes = world.seen().processes(&pool);
    assert_eq!(processes.len(), count, "engines of {pool} so far: {processes:?}");
}

#[then(expr = "for {int} second(s) no engine of {string} is started")]
fn none_is_started(world: &mut PoolWorld, span: u64, pool: String) {
    let before = world.seen().processes(&pool).len();
    world.throughout(seconds(span), &format!("no engine of {pool} is started"), |seen| {
        seen.processes(&pool).len() == before
    });
}

#[then(expr = "for {int} second(s) engine {int} of {string} is sent no signal")]
fn is_sent_nothing(world: &mut PoolWorld, span: u64, number: usize, pool: String) {
    world.throughout(seconds(span), &format!("engine {number} of {pool} is left alone"), |seen| {
        seen.processes(&pool).get(number - 1).is_some_and(|engine| engine.signals.is_empty())
    });
}

#[then(expr = "engine {int} of {string} was started {int} to {int} ms after engine {int} had ended")]
fn was_started_after(
    world: &mut PoolWorld,
    number: usize,
    pool: String,
    least: u64,
    most: u64,
    earlier: usize,
) {
    let [earlier, later] = [earlier, number].map(|number| world.engine(&pool, number));
    let ended = earlier.ended.unwrap_or_else(|| panic!("the earlier engine of {pool} has ended"));
    let waited = later.started.since(ended);
    let most = millis(most) + world.seen().promptness();
    assert!(millis(least) <= waited && waited <= most, "engine {number} was started after {waited:?}");
}

fn signals(engine: &ProcessSeen) -> Vec<Signal> {
    engine.signals.iter().map(|(_, signal)| *signal).collect()
}
