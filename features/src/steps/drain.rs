//! Drains: asked for, seen, and ended.

use std::time::Duration;

use cucumber::{given, then, when};
use pool_manager_core::{Operation, OperationKind, Outcome, PhaseName, Verb};

use super::{millis, seconds};
use crate::backend::PoolStatus;
use crate::world::{PoolWorld, status};

#[given(expr = "{string} is drained with a deadline of {int} ms")]
#[when(expr = "{string} is drained with a deadline of {int} ms")]
fn is_drained(world: &mut PoolWorld, pool: String, deadline: u64) {
    world.order(&pool, Verb::Drain { deadline: Some(millis(deadline)) });
}

#[then(expr = "the status of {string} says that it is draining, for {int} ms at most")]
fn status_says_draining(world: &mut PoolWorld, pool: String, most: u64) {
    let status = world.status(&pool);
    assert_draining(&status);
    let left = status.drain_left.unwrap_or_else(|| panic!("a drain that runs has a deadline"));
    assert!(left <= millis(most), "{pool} has {left:?} left");
    assert!(left > Duration::ZERO, "the deadline of {pool} is ahead");
}

#[given(expr = "within {int} second(s) {string} drains")]
#[then(expr = "within {int} second(s) {string} drains")]
fn comes_to_drain(world: &mut PoolWorld, bound: u64, pool: String) {
    world.within(seconds(bound), &format!("{pool} drains"), |seen| status(seen, &pool).draining);
}

#[then(expr = "{string} does not drain")]
fn does_not_drain(world: &mut PoolWorld, pool: String) {
    assert!(!world.status(&pool).draining, "{pool} does not drain");
}

#[then(expr = "for {int} second(s) {string} does not drain")]
fn does_not_drain_for(world: &mut PoolWorld, span: u64, pool: String) {
    world.throughout(seconds(span), &format!("{pool} does not drain"), |seen| !status(seen, &pool).draining);
}

#[then(expr = "the registry snapshot says that {string} is draining")]
fn registry_says_draining(world: &mut PoolWorld, pool: String) {
    let entry = super::pools::in_registry(world.seen(), &pool);
    assert_draining(&entry.unwrap_or_else(|| panic!("the registry knows {pool}")));
}

#[then(
    expr = "within {int} seconds the drain of {string} ends as force-stopped, naming the {int} leases that were cut"
)]
fn ends_as_force_stopped(world: &mut PoolWorld, bound: u64, pool: String, count: usize) {
    let drain = drain_that_ended(world, &pool, seconds(bound));
    let held = world.leases.get(&pool).cloned().unwrap_or_default();
    assert_eq!(held.len(), count, "leases the scenario still holds on {pool}");
    assert_eq!(outcome(&drain), &Outcome::ForceStopped { cut: held }, "drain of {pool}");
}

#[then(expr = "the drain of {string} took at least {int} ms")]
fn took_at_least(world: &mut PoolWorld, pool: String, least: u64) {
    let drain = world.operation(&pool, OperationKind::Drain);
    let took = took(&drain);
    assert!(took >= millis(least), "the drain of {pool} took {took:?}");
}

#[then(expr = "the drain of {string} ends at once")]
fn ends_at_once(world: &mut PoolWorld, pool: String) {
    let bound = world.seen().promptness();
    let drain = drain_that_ended(world, &pool, bound);
    assert_eq!(outcome(&drain), &Outcome::Completed, "drain of {pool}");
    let took = took(&drain);
    assert!(took <= bound, "the drain of {pool} took {took:?}, at once means {bound:?}");
}

/// Waits for the end of the pool's drain operation: the engine's exit was seen, its files are gone.
fn drain_that_ended(world: &mut PoolWorld, pool: &str, bound: Duration) -> Operation {
    world.within(bound, &format!("{pool} is stopped"), |seen| status(seen, pool).phase == PhaseName::Stopped);
    world.operation(pool, OperationKind::Drain)
}

fn outcome(drain: &Operation) -> &Outcome {
    let ended = drain.ended.as_ref();
    ended.map(|(_, outcome)| outcome).unwrap_or_else(|| panic!("the drain has ended: {drain:?}"))
}

fn took(drain: &Operation) -> Duration {
    let ended = drain.ended.as_ref();
    ended.map(|(at, _)| at.since(drain.started)).unwrap_or_else(|| panic!("the drain has ended: {drain:?}"))
}

fn assert_draining(status: &PoolStatus) {
    assert!(status.draining, "draining: {status:?}");
    assert!(!status.ready, "a draining pool is not ready: {status:?}");
}
