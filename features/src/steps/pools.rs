//! Pools: making one ready, and what readers see of it.

use std::time::Duration;

use cucumber::{given, then};
use pool_manager_core::Verb;
use pool_manager_sim::test_pool;

use crate::backend::EngineKind;
use crate::world::PoolWorld;

#[given(expr = "the pool {string} is ready")]
fn is_ready(world: &mut PoolWorld, pool: String) {
    make_ready(world, &pool, EngineKind::Obedient);
}

#[given(expr = "the pool {string} is ready, with an engine that ignores TERM")]
fn is_ready_and_stubborn(world: &mut PoolWorld, pool: String) {
    make_ready(world, &pool, EngineKind::IgnoresTerm);
}

#[given(expr = "the registry snapshot says that {string} is live and ready")]
#[then(expr = "the registry snapshot says that {string} is live and ready")]
fn is_live_and_ready(world: &mut PoolWorld, pool: String) {
    assert_eq!(registry_health(world, &pool), (true, true), "(live, ready) of {pool} in the registry");
}

#[then(expr = "the registry snapshot says that {string} is neither live nor ready")]
fn is_neither_live_nor_ready(world: &mut PoolWorld, pool: String) {
    assert_eq!(registry_health(world, &pool), (false, false), "(live, ready) of {pool} in the registry");
}

#[then(expr = "the status of {string} says that it is not ready")]
fn is_not_ready(world: &mut PoolWorld, pool: String) {
    let status = world.observe(&pool).status.expect("a drained pool is still registered");
    assert!(!status.ready, "status of {pool}: {status:?}");
}

fn make_ready(world: &mut PoolWorld, pool: &str, engine: EngineKind) {
    let mut spec = test_pool(pool);
    // Room for every lease a scenario holds; how many fit is not what these scenarios are about.
    spec.policy.lease.slots = 8;
    let host = world.host();
    host.register(spec, engine).expect("the pool is registered");
    host.command(pool, Verb::Preload).expect("a fresh pool may be preloaded");
    let ready = |seen: &crate::backend::Observation| seen.status.as_ref().is_some_and(|status| status.ready);
    assert!(host.advance_until(pool, Duration::from_secs(30), &ready), "{pool} is ready within 30 s");
}

fn registry_health(world: &mut PoolWorld, pool: &str) -> (bool, bool) {
    let seen = world.observe(pool);
    let entry = seen.registry_entry(pool).expect("the registry knows the pool");
    (entry.live, entry.ready)
}
