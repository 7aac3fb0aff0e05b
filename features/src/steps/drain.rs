//! Drains: asked for, seen, and ended.

use std::time::Duration;

use cucumber::{given, then, when};
use pool_manager_core::{Operation, Outcome, PhaseName, Verb};

use crate::backend::PoolStatus;
use crate::world::PoolWorld;

#[given(expr = "{string} is drained with a deadline of {int} ms")]
#[when(expr = "{string} is drained with a deadline of {int} ms")]
fn is_drained(world: &mut PoolWorld, pool: String, deadline_ms: u64) {
    let deadline = Some(Duration::from_millis(deadline_ms));
    let drain = world.host().command(&pool, Verb::Drain { deadline }).expect("the drain is accepted");
    world.drains.insert(pool, drain);
}

#[then(expr = "the status of {string} says that it is draining, for {int} ms at most")]
fn status_says_draining(world: &mut PoolWorld, pool: String, most_ms: u64) {
    let status = world.observe(&pool).status.expect("the pool is registered");
    assert_draining(&status);
    let left = status.drain_left.expect("a drain that runs has a deadline");
    assert!(left <= Duration::from_millis(most_ms), "{pool} has {left:?} left");
    assert!(left > Duration::ZERO, "the deadline of {pool} is ahead");
}

#[then(expr = "the registry snapshot says that {string} is draining")]
fn registry_says_draining(world: &mut PoolWorld, pool: String) {
    let seen = world.observe(&pool);
    assert_draining(seen.registry_entry(&pool).expect("the registry knows the pool"));
}

#[then(expr = "within {int} seconds the drain of {string} ends as completed")]
fn ends_as_completed(world: &mut PoolWorld, bound_s: u64, pool: String) {
    let drain = drain_that_ended(world, &pool, Duration::from_secs(bound_s));
    assert_eq!(outcome(&drain), &Outcome::Completed, "drain of {pool}");
}

#[then(
    expr = "within {int} seconds the drain of {string} ends as force-stopped, naming the {int} leases that were cut"
)]
fn ends_as_force_stopped(world: &mut PoolWorld, bound_s: u64, pool: String, count: usize) {
    let drain = drain_that_ended(world, &pool, Duration::from_secs(bound_s));
    let held = world.leases.get(&pool).cloned().unwrap_or_default();
    assert_eq!(held.len(), count, "leases the scenario still holds on {pool}");
    assert_eq!(outcome(&drain), &Outcome::ForceStopped { cut: held }, "drain of {pool}");
}

#[then(expr = "the drain of {string} took at least {int} ms")]
fn took_at_least(world: &mut PoolWorld, pool: String, least_ms: u64) {
    let drain = drain_of(world, &pool);
    let took = took(&drain).expect("the drain has ended");
    assert!(took >= Duration::from_millis(least_ms), "the drain of {pool} took {took:?}");
}

#[then(expr = "the drain of {string} ends at once")]
fn ends_at_once(world: &mut PoolWorld, pool: String) {
    let bound = world.host().promptness();
    let drain = drain_that_ended(world, &pool, bound);
    assert_eq!(outcome(&drain), &Outcome::Completed, "drain of {pool}");
    let took = took(&drain).expect("the drain has ended");
    assert!(took <= bound, "the drain of {pool} took {took:?}, at once means {bound:?}");
}

/// Waits for the end of the pool's drain operation: the engine's exit was seen, its files are gone.
fn drain_that_ended(world: &mut PoolWorld, pool: &str, bound: Duration) -> Operation {
    let stopped = |status: &PoolStatus| status.phase == PhaseName::Stopped;
    let at_rest = |seen: &crate::backend::Observation| seen.status.as_ref().is_some_and(stopped);
    let came = world.host().advance_until(pool, bound, &at_rest);
    assert!(came, "{pool} is stopped within {bound:?}; it is {:?}", world.observe(pool).status);
    drain_of(world, pool)
}

fn drain_of(world: &mut PoolWorld, pool: &str) -> Operation {
    let id = *world.drains.get(pool).expect("the scenario drained the pool");
    world.host().operation(id).expect("the host keeps the operation")
}

fn outcome(drain: &Operation) -> &Outcome {
    let (_, outcome) = drain.ended.as_ref().expect("the drain has ended");
    outcome
}

fn took(drain: &Operation) -> Option<Duration> {
    drain.ended.as_ref().map(|(at, _)| at.since(drain.started))
}

fn assert_draining(status: &PoolStatus) {
    assert!(status.draining, "draining: {status:?}");
    assert!(!status.ready, "a draining pool is not ready: {status:?}");
}
