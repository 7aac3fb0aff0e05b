//! The policies of a pool, given in the open before it is registered.

use std::time::Duration;

use cucumber::given;
use pool_manager_core::{OnDrainTimeout, RestartMode, RestartPolicy};

use super::{millis, seconds};
use crate::world::PoolWorld;

#[given(expr = "the backoff of {string} is off")]
fn backoff_is_off(world: &mut PoolWorld, pool: String) {
    set_backoff(world, &pool, [Duration::ZERO; 3]);
}

#[given(expr = "the backoff of {string} is always {int} ms")]
fn backoff_is_always(world: &mut PoolWorld, pool: String, span: u64) {
    set_backoff(world, &pool, [millis(span); 3]);
}

#[given(expr = "the backoff of {string} starts at {int} ms, with a floor of {int} ms")]
fn backoff_starts_at(world: &mut PoolWorld, pool: String, initial: u64, floor: u64) {
    let cap = restart(world, &pool).backoff_cap;
    set_backoff(world, &pool, [millis(initial), millis(floor), cap]);
}

#[given(expr = "the breaker of {string} is off")]
fn breaker_is_off(world: &mut PoolWorld, pool: String) {
    restart(world, &pool).circuit_failures = 0;
}

#[given(expr = "the breaker of {string} opens at {int} failures")]
fn breaker_opens_at(world: &mut PoolWorld, pool: String, failures: u32) {
    restart(world, &pool).circuit_failures = failures;
}

#[given(expr = "the restart window of {string} is off")]
fn window_is_off(world: &mut PoolWorld, pool: String) {
    restart(world, &pool).window_restarts = 0;
}

#[given(expr = "restart storms of {string} are not looked for")]
fn storms_are_off(world: &mut PoolWorld, pool: String) {
    restart(world, &pool).storm_restarts = 0;
}

#[given(expr = "the restart mode of {string} is {string}")]
fn restart_mode(world: &mut PoolWorld, pool: String, mode: String) {
    restart(world, &pool).mode = match mode.as_str() {
        "always" => RestartMode::Always,
        "never" => RestartMode::Never,
        "on-failure" => RestartMode::OnFailure,
        _ => panic!("no restart mode is called {mode:?}"),
    };
}

#[given(expr = "the start time-out of {string} is {int} seconds")]
fn start_timeout(world: &mut PoolWorld, pool: String, span: u64) {
    world.fresh_draft(&pool).spec.policy.start.timeout = seconds(span);
}

#[given(expr = "staging for {string} may stand still for {int} seconds")]
fn stage_stall(world: &mut PoolWorld, pool: String, span: u64) {
    world.fresh_draft(&pool).spec.policy.start.stage_stall = seconds(span);
}

#[given(expr = "the log of {string} never shows what its users wrote")]
fn log_is_trusted(world: &mut PoolWorld, pool: String) {
    world.fresh_draft(&pool).spec.policy.liveness.log_is_trusted = true;
}

#[given(expr = "{string} has {int} slot(s)")]
fn slots_are(world: &mut PoolWorld, pool: String, slots: u32) {
    world.fresh_draft(&pool).spec.policy.lease.slots = slots;
}

#[given(expr = "the lease queue of {string} holds {int} ask(s), for {int} seconds each")]
fn queue(world: &mut PoolWorld, pool: String, asks: u32, wait: u64) {
    let lease = &mut world.fresh_draft(&pool).spec.policy.lease;
    (lease.queue, lease.queue_wait) = (asks, seconds(wait));
}

#[given(expr = "leases of {string} live for {int} seconds")]
fn lease_ttl(world: &mut PoolWorld, pool: String, ttl: u64) {
    world.fresh_draft(&pool).spec.policy.lease.ttl = seconds(ttl);
}

#[given(expr = "the drain deadline of {string} is {int} ms")]
fn drain_deadline(world: &mut PoolWorld, pool: String, deadline: u64) {
    world.fresh_draft(&pool).spec.policy.drain.deadline = millis(deadline);
}

#[given(expr = "a reload of {string} cuts the leases that are left at the drain deadline")]
fn reload_forces(world: &mut PoolWorld, pool: String) {
    world.fresh_draft(&pool).spec.policy.reload.on_drain_timeout = OnDrainTimeout::Force;
}

/// Initial, floor, cap.
fn set_backoff(world: &mut PoolWorld, pool: &str, [initial, floor, cap]: [Duration; 3]) {
    let restart = restart(world, pool);
    (restart.backoff_initial, restart.backoff_floor, restart.backoff_cap) = (initial, floor, cap);
}

fn restart<'a>(world: &'a mut PoolWorld, pool: &str) -> &'a mut RestartPolicy {
    &mut world.fresh_draft(pool).spec.policy.restart
}
