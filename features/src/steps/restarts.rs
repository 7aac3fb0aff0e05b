//! Restarts under policy: delays, counts, and when they come.

use cucumber::{given, then};
use pool_manager::telemetry::Record;

use super::telemetry::{number, records_of};
use super::{millis, seconds};
use crate::backend::Backend;
use crate::world::{PoolWorld, status};

const SCHEDULED: &str = "restart scheduled";

#[then(expr = "the restart of {string} is scheduled with a base delay of {int} ms")]
fn base_delay(world: &mut PoolWorld, pool: String, base: u64) {
    let last = *bases(world.seen(), &pool).last().unwrap_or_else(|| panic!("a restart was scheduled"));
    assert_eq!(last, base, "base delay of {pool}'s last restart, in ms");
}

#[then(expr = "the base delays of {string} were {string} ms")]
fn base_delays(world: &mut PoolWorld, pool: String, expected: String) {
    let bases: Vec<String> = bases(world.seen(), &pool).iter().map(ToString::to_string).collect();
    assert_eq!(bases.join(", "), expected, "base delays of {pool}, in ms");
}

#[then(expr = "the restart of {string} is due in {int} to {int} ms")]
fn is_due_in(world: &mut PoolWorld, pool: String, least: u64, most: u64) {
    let gates = world.status(&pool).gates.unwrap_or_else(|| panic!("{pool} waits for its restart"));
    let until = gates.backoff_until.unwrap_or_else(|| panic!("{pool} waits for its backoff: {gates:?}"));
    let left = until.left(world.seen().now());
    // Time may have passed since the crash, in a world where it passes by itself.
    let least = millis(least).saturating_sub(world.seen().promptness());
    assert!(least <= left && left <= millis(most), "the restart of {pool} is due in {left:?}");
}

#[then(expr = "the time of restart in the log of {string} is when its restart is due")]
fn logged_time_is_due(world: &mut PoolWorld, pool: String) {
    let scheduled = scheduled(world.seen(), &pool);
    let last = scheduled.last().unwrap_or_else(|| panic!("a restart of {pool} was scheduled"));
    let until = world.status(&pool).gates.and_then(|gates| gates.backoff_until);
    let until = until.unwrap_or_else(|| panic!("{pool} waits for its backoff"));
    assert_eq!(last.field("restart_at").map(ToString::to_string), Some(until.to_string()), "{last:?}");
}

#[then(expr = "every restart of {string} came {int} to {int} ms after the crash before it")]
fn every_restart_came(world: &mut PoolWorld, pool: String, least: u64, most: u64) {
    let engines = world.seen().processes(&pool);
    assert!(engines.len() > 1, "{pool} was restarted");
    let most = millis(most) + world.seen().promptness();
    for pair in engines.windows(2) {
        let ended = pair[0].ended.unwrap_or_else(|| panic!("an engine before the last has ended"));
        let waited = pair[1].started.since(ended);
        assert!(millis(least) <= waited && waited <= most, "a restart came after {waited:?}");
    }
}

#[then(expr = "every delay of {string} was within 10 % of its base")]
fn within_jitter(world: &mut PoolWorld, pool: String) {
    let scheduled = scheduled(world.seen(), &pool);
    assert!(!scheduled.is_empty(), "a restart of {pool} was scheduled");
    for record in scheduled {
        assert_jitter(&record);
    }
}

#[then("every delay of every pool was within 10 % of its base")]
fn all_within_jitter(world: &mut PoolWorld) {
    for pool in world.seen().registry() {
        within_jitter(world, pool.pool_id);
    }
}

#[then(expr = "the delays of {int} pools take at least {int} values")]
fn delays_differ(world: &mut PoolWorld, pools: usize, values: usize) {
    let pools_seen = world.seen().registry();
    assert_eq!(pools_seen.len(), pools, "pools");
    let mut delays: Vec<u64> =
        pools_seen.iter().flat_map(|pool| delays(world.seen(), &pool.pool_id)).collect();
    assert_eq!(delays.len(), pools, "restarts that were scheduled");
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() >= values, "different delays in ms: {delays:?}");
}

#[then("some of these delays were shorter than their base, and some longer")]
fn jitter_goes_both_ways(world: &mut PoolWorld) {
    let seen = world.seen();
    let pairs = seen.registry().into_iter().flat_map(|pool| {
        let pool = pool.pool_id;
        delays(seen, &pool).into_iter().zip(bases(seen, &pool))
    });
    let pairs: Vec<(u64, u64)> = pairs.collect();
    assert!(pairs.iter().any(|(delay, base)| delay < base), "(delay, base) in ms: {pairs:?}");
    assert!(pairs.iter().any(|(delay, base)| delay > base), "(delay, base) in ms: {pairs:?}");
}

#[then(expr = "no delay of {string} was over {int} ms")]
fn none_over(world: &mut PoolWorld, pool: String, most: u64) {
    let delays = delays(world.seen(), &pool);
    assert!(!delays.is_empty() && delays.iter().all(|delay| *delay <= most), "delays in ms: {delays:?}");
}

#[then(expr = "the last delay of {string} was {int} to {int} ms")]
fn last_delay(world: &mut PoolWorld, pool: String, least: u64, most: u64) {
    let delays = delays(world.seen(), &pool);
    let last = *delays.last().unwrap_or_else(|| panic!("a restart of {pool} was scheduled"));
    assert!((least..=most).contains(&last), "the last delay of {pool} was {last} ms");
}

#[given(expr = "the failure count of {string} is {int}")]
#[then(expr = "the failure count of {string} is {int}")]
fn failures(world: &mut PoolWorld, pool: String, count: u32) {
    assert_eq!(world.status(&pool).failures, count, "failures of {pool}");
}

#[given(expr = "the restart count of {string} is {int}")]
#[then(expr = "the restart count of {string} is {int}")]
fn restart_count(world: &mut PoolWorld, pool: String, count: u32) {
    assert_eq!(world.status(&pool).restart_count, count, "restarts of {pool}");
}

#[given(expr = "the restart window of {string} holds {int} restart(s)")]
#[then(expr = "the restart window of {string} holds {int} restart(s)")]
fn window_holds(world: &mut PoolWorld, pool: String, count: u32) {
    assert_eq!(world.status(&pool).restarts_in_window, count, "restarts in the window of {pool}");
}

#[then(expr = "no restart of {string} was held back")]
fn none_held_back(world: &mut PoolWorld, pool: String) {
    let held_back = records_of(world.seen(), &pool, "restart rate limited");
    assert!(held_back.is_empty(), "restarts of {pool} held back: {held_back:?}");
}

#[then(expr = "no restart of {string} is scheduled")]
fn none_scheduled(world: &mut PoolWorld, pool: String) {
    let scheduled = scheduled(world.seen(), &pool);
    assert!(scheduled.is_empty(), "restarts of {pool}: {scheduled:?}");
}

#[given(expr = "{int} restarts of {string} were scheduled")]
#[then(expr = "{int} restarts of {string} were scheduled")]
fn were_scheduled(world: &mut PoolWorld, count: usize, pool: String) {
    let scheduled = scheduled(world.seen(), &pool);
    assert_eq!(scheduled.len(), count, "restarts of {pool}: {scheduled:?}");
}

#[then(
    expr = "the next restart of {string} waits until the window has room, {int} seconds after its first restart"
)]
fn waits_for_window(world: &mut PoolWorld, pool: String, window: u64) {
    let status = world.status(&pool);
    let first_restart = world.engine(&pool, 2).started;
    let until = status.gates.and_then(|gates| gates.window_until);
    let until = until.unwrap_or_else(|| panic!("{pool} waits for the window: {:?}", status.gates));
    let off = until.since(first_restart).abs_diff(seconds(window));
    assert!(
        off <= world.seen().promptness(),
        "the window has room at {until}, first restart {first_restart}"
    );
}

#[then(expr = "within {int} second(s) {string} is up again, by its restart number {int}")]
fn up_again(world: &mut PoolWorld, bound: u64, pool: String, number: usize) {
    world.within(seconds(bound), &format!("{pool} is up again"), |seen| {
        status(seen, &pool).ready && seen.processes(&pool).len() == number + 1
    });
}

fn scheduled(seen: &dyn Backend, pool: &str) -> Vec<Record> {
    records_of(seen, pool, SCHEDULED)
}

fn bases(seen: &dyn Backend, pool: &str) -> Vec<u64> {
    scheduled(seen, pool).iter().map(|record| number(record, "base_ms")).collect()
}

fn delays(seen: &dyn Backend, pool: &str) -> Vec<u64> {
    scheduled(seen, pool).iter().map(|record| number(record, "backoff_ms")).collect()
}

fn assert_jitter(record: &Record) {
    let [base, delay] = ["base_ms", "backoff_ms"].map(|field| number(record, field));
    // The record shows whole milliseconds, rounded down.
    let (least, most) = (base * 9 / 10, base * 11 / 10);
    assert!((least.saturating_sub(1)..=most).contains(&delay), "{delay} ms is within 10 % of {base} ms");
}
