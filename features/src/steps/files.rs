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

#[given(expr = "somebody removes the PID file of {string}")]
fn pid_file_is_removed(world: &mut PoolWorld, pool: String) {
    world.host().remove_pid_file(&pool);
    assert_eq!(world.seen().pid_file(&pool), None, "PID file of {pool}");
}

#[then(expr = "the PID file of {string} is gone")]
fn pid_file_is_gone(world: &mut PoolWorld, pool: String) {
    assert_eq!(world.seen().pid_file(&pool), None, "PID file of {pool}");
}

#[then(expr = "within {int} second(s) the PID file of {string} does not name engine {int}")]
fn pid_file_does_not_name(world: &mut PoolWorld, bound: u64, pool: String, number: usize) {
    let pid = world.engine(&pool, number).pid;
    world.within(seconds(bound), &format!("the PID file of engine {number} of {pool} is gone"), |seen| {
        seen.pid_file(&pool) != Some(pid)
    });
}

#[then(expr = "within {int} second(s) the PID file of {string} is gone")]
fn pid_file_goes(world: &mut PoolWorld, bound: u64, pool: String) {
    world.within(seconds(bound), &format!("the PID file of {pool} is gone"), |seen| {
        seen.pid_file(&pool).is_none()
    });
}

#[then(expr = "there is no handoff file of {string}")]
fn no_handoff(world: &mut PoolWorld, pool: String) {
    assert_eq!(world.seen().handoff_file(&pool), None, "handoff file of {pool}");
}

#[then(expr = "within {int} second(s) there is no handoff file of {string}")]
fn handoff_goes(world: &mut PoolWorld, bound: u64, pool: String) {
    world.within(seconds(bound), &format!("the handoff file of {pool} is gone"), |seen| {
        seen.handoff_file(&pool).is_none()
    });
}

#[then(expr = "for {int} second(s) there is no handoff file of {string}")]
fn no_handoff_for(world: &mut PoolWorld, span: u64, pool: String) {
    world.throughout(seconds(span), &format!("{pool} has no handoff file"), |seen| {
        seen.handoff_file(&pool).is_none()
    });
}

#[given(
    expr = "within {int} second(s) the handoff file of {string} says engine version {string} and model {string}"
)]
#[then(
    expr = "within {int} second(s) the handoff file of {string} says engine version {string} and model {string}"
)]
fn handoff_says(world: &mut PoolWorld, bound: u64, pool: String, version: String, model: String) {
    world.within(seconds(bound), &format!("the handoff file of {pool} says {version} and {model}"), |seen| {
        let catalog = seen.handoff_file(&pool).map(|handoff| handoff.catalog);
        catalog.is_some_and(|catalog| {
            catalog.engine_version.as_ref() == Some(&version) && catalog.model == model
        })
    });
}

#[then(
    expr = "within {int} second(s) the handoff file of {string} says model {string} and no engine version"
)]
fn handoff_says_no_version(world: &mut PoolWorld, bound: u64, pool: String, model: String) {
    world.within(seconds(bound), &format!("the handoff file of {pool} says {model} alone"), |seen| {
        let catalog = seen.handoff_file(&pool).map(|handoff| handoff.catalog);
        catalog.is_some_and(|catalog| catalog.engine_version.is_none() && catalog.model == model)
    });
}

#[then(
    expr = "within {int} second(s) the handoff file of {string} names the pool, its {int} slots and its devices {string}"
)]
fn handoff_names(world: &mut PoolWorld, bound: u64, pool: String, slots: u32, mask: String) {
    world.within(
        seconds(bound),
        &format!("the handoff file of {pool} names {slots} slots, {mask}"),
        |seen| {
            seen.handoff_file(&pool).is_some_and(|handoff| {
                (handoff.pool_id.as_str(), handoff.slots_total) == (pool.as_str(), slots)
                    && handoff.device_mask.join(",") == mask
            })
        },
    );
}
