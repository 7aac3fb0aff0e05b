//! What an operator may do about a pool that is held back.

use cucumber::{given, then, when};
use pool_manager_core::Verb;

use crate::world::PoolWorld;

#[given(expr = "an operator allows a restart of {string}")]
#[when(expr = "an operator allows a restart of {string}")]
fn allows_restart(world: &mut PoolWorld, pool: String) {
    world.order(&pool, Verb::AllowRestart);
}

#[when(expr = "an operator asks to allow a restart of {string}")]
fn asks_to_allow(world: &mut PoolWorld, pool: String) {
    world.command(&pool, Verb::AllowRestart);
}

#[when(expr = "an operator resets the breaker of {string}")]
fn resets_breaker(world: &mut PoolWorld, pool: String) {
    world.order(&pool, Verb::ResetBreaker);
}

#[then(expr = "the next restart of {string} is allowed")]
fn is_allowed(world: &mut PoolWorld, pool: String) {
    assert!(world.status(&pool).restart_allowed, "the next restart of {pool} is allowed");
}

#[then(expr = "the next restart of {string} is not allowed any more")]
fn is_not_allowed(world: &mut PoolWorld, pool: String) {
    assert!(!world.status(&pool).restart_allowed, "the next restart of {pool} is not allowed any more");
}
