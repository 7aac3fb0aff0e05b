//! Storms, as readers see them.

use cucumber::then;

use crate::world::PoolWorld;

#[then(expr = "{string} has been through {int} restart storm(s)")]
fn restart_storms(world: &mut PoolWorld, pool: String, count: u64) {
    assert_eq!(world.status(&pool).restart_storms, count, "restart storms of {pool}");
}

#[then(expr = "{string} has been through {int} out-of-memory storm(s)")]
fn oom_storms(world: &mut PoolWorld, pool: String, count: u64) {
    assert_eq!(world.status(&pool).oom_storms, count, "out-of-memory storms of {pool}");
}
