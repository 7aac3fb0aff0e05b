//! PID and handoff files.

use cucumber::{given, then};

use super::seconds;
use crate::world::PoolWorld;

#[given(expr = "the PID file of {string} names its engine")]
#[then(expr = "the PID file of {string} names its engine")]
fn pid_file_names_engine(world: &mut PoolWorld, pool: String) {
    let engine = world.newest_engine(&pool);
    assert!(engine.is_alive(), "the engine of {pool} runs");
    assert_eq!(world.seen().pid_file(&pool), Some(engine.pid), "PID file of {pool}");
}

#[given(expr = "the PID file of {string} names engine {int}")]
#[then(expr = "the PID file of {string} names engine {int}")]
fn pid_file_names(world: &mut PoolWorld, pool: String, number: usize) {
    let engine = world.engine(&pool, number);
    assert_eq!(world.seen().pid_file(&pool), Some(engine.pid), "PID file of {pool}");
}

#[then(expr = "the PID file of {string} is gone")]
fn pid_file_is_gone(world: &mut PoolWorld, pool: String) {
    assert_eq!(world.seen().pid_file(&pool), None, "PID file of {pool}");
}

#[then(expr = "the PID file of {string} does not name engine {int}")]
fn pid_file_does_not_name(world: &mut PoolWorld, pool: String, number: usize) {
    let engine = world.engine(&pool, number);
    assert_ne!(world.seen().pid_file(&pool), Some(engine.pid), "PID file of {pool}");
}

#[then(expr = "there is no handoff file of {string}")]
fn no_handoff(world: &mut PoolWorld, pool: String) {
    assert_eq!(world.seen().handoff_file(&pool), None, "handoff file of {pool}");
}

#[then(expr = "for {int} second(s) there is no handoff file of {string}")]
fn no_handoff_for(world: &mut PoolWorld, span: u64, pool: String) {
    world.throughout(seconds(span), &format!("{pool} has no handoff file"), |seen| {
        seen.handoff_file(&pool).is_none()
    });
}

#[given(expr = "the handoff file of {string} says engine version {string} and model {string}")]
#[then(expr = "the handoff file of {string} says engine version {string} and model {string}")]
fn handoff_says(world: &mut PoolWorld, pool: String, version: String, model: String) {
    let handoff = handoff(world, &pool);
    assert_eq!((handoff.catalog.engine_version, handoff.catalog.model), (Some(version), model));
}

#[then(expr = "the handoff file of {string} names the pool, its {int} slots and its devices {string}")]
fn handoff_names(world: &mut PoolWorld, pool: String, slots: u32, mask: String) {
    let handoff = handoff(world, &pool);
    let said = (handoff.pool_id, handoff.slots_total, handoff.device_mask.join(","));
    assert_eq!(said, (pool, slots, mask));
}

fn handoff(world: &PoolWorld, pool: &str) -> crate::backend::HandoffSeen {
    let handoff = world.seen().handoff_file(pool);
    handoff.unwrap_or_else(|| panic!("{pool} has a handoff file"))
}
