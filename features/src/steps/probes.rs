//! Probes, as engines see them.

use cucumber::then;

use super::{millis, seconds};
use crate::world::{PoolWorld, status};

#[then(expr = "engine {int} of {string} was probed every {int} ms until it was ready")]
fn was_probed_every(world: &mut PoolWorld, number: usize, pool: String, interval: u64) {
    let engine = world.engine(&pool, number);
    let healthy = engine.first_healthy.unwrap_or_else(|| panic!("engine {number} of {pool} was healthy"));
    let probes = world.seen().probes(&pool, number);
    let before: Vec<_> = probes.iter().filter(|at| **at <= healthy).collect();
    assert!(before.len() > 2, "probes of a load: {before:?}");
    let (interval, slack) = (millis(interval), world.seen().promptness());
    for pair in before.windows(2) {
        let between = pair[1].since(*pair[0]);
        assert!(interval <= between && between <= interval + slack, "{between:?} between two probes");
    }
}

#[then(expr = "within {int} seconds engine {int} of {string} is probed")]
fn is_probed(world: &mut PoolWorld, bound: u64, number: usize, pool: String) {
    let before = world.seen().probes(&pool, number).len();
    world.within(seconds(bound), &format!("engine {number} of {pool} is probed"), |seen| {
        seen.probes(&pool, number).len() > before
    });
}

#[then(expr = "engine {int} of {string} is probed within {int} second(s) of the supervisor's start")]
fn is_probed_after_start(world: &mut PoolWorld, number: usize, pool: String, bound: u64) {
    let started = world.started_at.unwrap_or_else(|| panic!("the supervisor was started again"));
    world.within(seconds(bound), &format!("engine {number} of {pool} is probed"), |seen| {
        seen.probes(&pool, number).iter().any(|at| *at >= started)
    });
}

#[then(expr = "{string} was not ready before engine {int} had answered a probe with HTTP 200")]
fn ready_after_healthy(world: &mut PoolWorld, pool: String, number: usize) {
    let status = world.status(&pool);
    assert!(status.ready, "{pool} is ready now");
    let healthy = world.engine(&pool, number).first_healthy;
    let healthy = healthy.unwrap_or_else(|| panic!("engine {number} of {pool} answered HTTP 200"));
    assert!(healthy <= status.since, "ready since {}, HTTP 200 at {healthy}", status.since);
}

#[then(
    expr = "as long as engine {int} of {string} has not answered HTTP 200, {string} is not ready, within {int} seconds"
)]
fn not_ready_before_healthy(world: &mut PoolWorld, number: usize, pool: String, same: String, bound: u64) {
    assert_eq!(pool, same, "one pool");
    world.within(seconds(bound), &format!("engine {number} of {pool} answers HTTP 200"), |seen| {
        let engine = seen.processes(&pool).get(number - 1).cloned();
        let healthy = engine.is_some_and(|engine| engine.first_healthy.is_some());
        assert!(healthy || !status(seen, &pool).ready, "{pool} is ready before HTTP 200");
        healthy
    });
}

#[then(expr = "engine {int} of {string} was probed no more once it was stopped")]
fn probed_no_more(world: &mut PoolWorld, number: usize, pool: String) {
    let engine = world.engine(&pool, number);
    let (stopped, _) = *engine.signals.first().unwrap_or_else(|| panic!("engine {number} was stopped"));
    let probes = world.seen().probes(&pool, number);
    let late: Vec<_> = probes.iter().filter(|at| **at > stopped).collect();
    assert!(late.is_empty(), "probes of engine {number} after it was stopped: {late:?}");
}

#[then(expr = "{string} had a PID file before engine {int} was first probed")]
fn pid_file_before_probe(world: &mut PoolWorld, pool: String, number: usize) {
    world.within(seconds(5), &format!("engine {number} of {pool} is probed"), |seen| {
        let engine = seen.processes(&pool).get(number - 1).cloned();
        let probed = !seen.probes(&pool, number).is_empty();
        let named = engine.is_some_and(|engine| seen.pid_file(&pool) == Some(engine.pid));
        assert!(!probed || named, "engine {number} of {pool} is probed before it has a PID file");
        probed
    });
}
