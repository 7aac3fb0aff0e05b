//! Engines as the host's process table and disk show them.

use cucumber::{given, then};
use pool_manager_core::Signal;

use crate::backend::{Observation, ProcessSeen};
use crate::world::PoolWorld;

#[given(expr = "the PID file of {string} names its engine")]
#[then(expr = "the PID file of {string} names its engine")]
fn pid_file_names_engine(world: &mut PoolWorld, pool: String) {
    let seen = world.observe(&pool);
    let engine = engine(&seen);
    assert!(engine.alive, "the engine of {pool} runs");
    assert_eq!(seen.pid_file, Some(engine.pid), "PID file of {pool}");
}

#[then(expr = "the PID file of {string} is gone")]
fn pid_file_is_gone(world: &mut PoolWorld, pool: String) {
    assert_eq!(world.observe(&pool).pid_file, None, "PID file of {pool}");
}

#[then(expr = "the engine of {string} is gone")]
fn is_gone(world: &mut PoolWorld, pool: String) {
    let seen = world.observe(&pool);
    assert!(!seen.processes.is_empty(), "{pool} had an engine");
    assert!(seen.processes.iter().all(|process| !process.alive), "processes of {pool}: {:?}", seen.processes);
}

#[given(expr = "the engine of {string} was sent no signal")]
#[then(expr = "the engine of {string} was sent no signal")]
fn was_sent_nothing(world: &mut PoolWorld, pool: String) {
    assert_eq!(engine(&world.observe(&pool)).signals, [], "signals to the engine of {pool}");
}

#[then(expr = "the engine of {string} was sent TERM and no KILL")]
fn was_sent_term_only(world: &mut PoolWorld, pool: String) {
    assert_eq!(engine(&world.observe(&pool)).signals, [Signal::Graceful], "signals to the engine of {pool}");
}

#[then(expr = "the engine of {string} was sent TERM and then KILL")]
fn was_sent_term_then_kill(world: &mut PoolWorld, pool: String) {
    let signals = engine(&world.observe(&pool)).signals;
    assert_eq!(signals, [Signal::Graceful, Signal::KillTree], "signals to the engine of {pool}");
}

/// The pool's newest engine.
fn engine(seen: &Observation) -> ProcessSeen {
    seen.processes.last().expect("the pool had an engine").clone()
}
