//! Leases: taken, ended, refused, counted.

use cucumber::{given, then, when};
use pool_manager_core::Refusal;

use crate::world::PoolWorld;

#[given(expr = "{int} lease(s) is/are active on {string}")]
fn are_active(world: &mut PoolWorld, count: usize, pool: String) {
    for _ in 0..count {
        let lease = world.host().ask_lease(&pool).expect("a ready pool with free slots grants leases");
        world.leases.entry(pool.clone()).or_default().push(lease);
    }
}

#[given(expr = "{int} lease(s) on {string} end(s)")]
#[when(expr = "{int} lease(s) on {string} end(s)")]
fn end(world: &mut PoolWorld, count: usize, pool: String) {
    for _ in 0..count {
        let held = world.leases.get_mut(&pool).filter(|held| !held.is_empty());
        let lease = held.expect("the scenario holds a lease to end").remove(0);
        assert!(world.host().end_lease(lease), "lease {lease} ends now, not before");
    }
}

#[when(expr = "a client asks {string} for a lease")]
fn asks(world: &mut PoolWorld, pool: String) {
    world.asked = Some(world.host().ask_lease(&pool));
}

#[then("the lease is refused because the pool is draining")]
fn is_refused_as_draining(world: &mut PoolWorld) {
    let answer = world.asked.take().expect("a client asked for a lease");
    assert!(matches!(answer, Err(Refusal::Draining { .. })), "the answer was {answer:?}");
}

#[given(expr = "{string} has {int} active lease(s)")]
#[then(expr = "{string} has {int} active lease(s)")]
fn has(world: &mut PoolWorld, pool: String, count: u32) {
    let seen = world.observe(&pool);
    let status = seen.status.as_ref().expect("the pool is registered");
    assert_eq!(status.leases_active, count, "active leases in the status of {pool}");
    let entry = seen.registry_entry(&pool).expect("the registry knows the pool");
    assert_eq!(entry.leases_active, count, "active leases of {pool} in the registry snapshot");
}

#[then(expr = "no lease of {string} was cut")]
fn none_was_cut(world: &mut PoolWorld, pool: String) {
    let status = world.observe(&pool).status.expect("a drained pool is still registered");
    assert_eq!(status.leases_cut, 0, "leases of {pool} that were cut");
}
