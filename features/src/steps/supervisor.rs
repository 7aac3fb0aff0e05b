//! The supervisor's own life: killed, started again, shut down.

use cucumber::{given, then, when};

use super::seconds;
use crate::world::PoolWorld;

#[when("the supervisor is killed")]
fn is_killed(world: &mut PoolWorld) {
    world.host().kill_supervisor();
}

#[when("the supervisor is started again")]
fn is_started(world: &mut PoolWorld) {
    start(world);
}

#[when(expr = "the supervisor is killed and started again {int} second(s) later")]
fn is_restarted(world: &mut PoolWorld, span: u64) {
    world.host().kill_supervisor();
    world.host().advance_until(seconds(span), &|_| false);
    start(world);
}

#[when(expr = "the supervisor is killed and another version of it is started {int} second(s) later")]
fn is_replaced(world: &mut PoolWorld, span: u64) {
    world.host().kill_supervisor();
    world.host().advance_until(seconds(span), &|_| false);
    world.started_at = Some(world.seen().now());
    world.host().start_other_version();
}

#[given("the supervisor is told to end")]
#[when("the supervisor is told to end")]
fn is_told_to_end(world: &mut PoolWorld) {
    world.host().shut_down();
}

#[then(expr = "within {int} second(s) the supervisor has ended")]
fn has_ended(world: &mut PoolWorld, bound: u64) {
    world.within(seconds(bound), "the supervisor has ended", |seen| seen.has_exited());
}

#[then("the supervisor has not ended")]
fn has_not_ended(world: &mut PoolWorld) {
    assert!(!world.seen().has_exited(), "the supervisor runs");
}

fn start(world: &mut PoolWorld) {
    world.started_at = Some(world.seen().now());
    world.host().start_supervisor();
}
