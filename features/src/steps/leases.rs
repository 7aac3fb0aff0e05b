//! Leases: taken, ended, refused, queued, counted.

use std::time::Duration;

use cucumber::{given, then, when};
use pool_manager_core::{LeaseId, Priority, Refusal};

use super::operations::refusal_word;
use super::seconds;
use crate::backend::LeaseAnswer;
use crate::world::{PoolWorld, status};

#[given(expr = "{int} lease(s) is/are active on {string}")]
fn are_active(world: &mut PoolWorld, count: usize, pool: String) {
    for _ in 0..count {
        let ask = world.host().ask_lease(&pool, Priority::Interactive, Some(Duration::ZERO));
        let lease = granted(world, ask);
        world.leases.entry(pool.clone()).or_default().push(lease);
    }
}

#[given(expr = "{int} lease(s) on {string} end(s)")]
#[when(expr = "{int} lease(s) on {string} end(s)")]
fn end(world: &mut PoolWorld, count: usize, pool: String) {
    for _ in 0..count {
        let held = world.leases.get_mut(&pool).filter(|held| !held.is_empty());
        let lease = held.unwrap_or_else(|| panic!("the scenario holds a lease of {pool}")).remove(0);
        assert!(world.host().end_lease(lease), "lease {lease} ends now, not before");
    }
}

#[when(expr = "the oldest lease on {string} is ended twice")]
fn end_twice(world: &mut PoolWorld, pool: String) {
    let lease = world.leases.entry(pool).or_default().remove(0);
    assert!(world.host().end_lease(lease), "the first time");
    assert!(!world.host().end_lease(lease), "the second time is harmless, and is told so");
}

#[when(expr = "a client asks {string} for a lease")]
fn asks(world: &mut PoolWorld, pool: String) {
    ask(world, &pool, Priority::Interactive, Some(Duration::ZERO));
}

#[given(expr = "a client asks {string} for a lease of the pool's own time to live")]
#[when(expr = "a client asks {string} for a lease of the pool's own time to live")]
fn asks_default(world: &mut PoolWorld, pool: String) {
    ask(world, &pool, Priority::Interactive, None);
}

#[given(expr = "a client asks {string} for a lease of {int} seconds")]
#[when(expr = "a client asks {string} for a lease of {int} seconds")]
fn asks_with_ttl(world: &mut PoolWorld, pool: String, ttl: u64) {
    ask(world, &pool, Priority::Interactive, Some(seconds(ttl)));
}

#[when(expr = "a batch client asks {string} for a lease")]
fn asks_batch(world: &mut PoolWorld, pool: String) {
    ask(world, &pool, Priority::Batch, Some(Duration::ZERO));
}

#[given("the lease is granted")]
#[then("the lease is granted")]
fn is_granted(world: &mut PoolWorld) {
    let ask = last_ask(world);
    granted(world, ask);
}

#[then("the lease is refused because the pool is draining")]
fn is_refused_as_draining(world: &mut PoolWorld) {
    let answer = world.seen().lease_answer(last_ask(world));
    let draining = matches!(answer, Some(LeaseAnswer::Refused(Refusal::Draining { .. })));
    assert!(draining, "the answer was {answer:?}");
}

#[then(expr = "the lease is refused: {string}")]
fn is_refused(world: &mut PoolWorld, expected: String) {
    let refusal = refusal(world);
    assert_eq!(refusal_word(&refusal), expected, "{refusal:?}");
}

#[then(expr = "the lease is refused: {string}, to be asked again within {int} seconds")]
fn is_refused_with_hint(world: &mut PoolWorld, expected: String, most: u64) {
    let refusal = refusal(world);
    assert_eq!(refusal_word(&refusal), expected, "{refusal:?}");
    let hint = retry_after(&refusal).unwrap_or_else(|| panic!("{refusal:?} says when to ask again"));
    assert!(hint <= seconds(most), "{refusal:?}");
}

#[then("the lease waits in the queue")]
fn waits(world: &mut PoolWorld) {
    let answer = world.seen().lease_answer(last_ask(world));
    assert_eq!(answer, None, "the ask waits");
}

#[then(expr = "within {int} second(s) ask {int} is granted")]
fn ask_is_granted(world: &mut PoolWorld, bound: u64, number: usize) {
    let ask = world.asks[number - 1];
    world.within(seconds(bound), &format!("ask {number} is answered"), |seen| {
        seen.lease_answer(ask).is_some()
    });
    granted(world, ask);
}

#[then(expr = "ask {int} waits")]
fn ask_waits(world: &mut PoolWorld, number: usize) {
    assert_eq!(world.seen().lease_answer(world.asks[number - 1]), None, "ask {number} waits");
}

#[then(expr = "within {int} second(s) ask {int} is refused: {string}")]
fn ask_is_refused(world: &mut PoolWorld, bound: u64, number: usize, expected: String) {
    let ask = world.asks[number - 1];
    world.within(seconds(bound), &format!("ask {number} is answered"), |seen| {
        seen.lease_answer(ask).is_some()
    });
    match world.seen().lease_answer(ask) {
        Some(LeaseAnswer::Refused(refusal)) => assert_eq!(refusal_word(&refusal), expected, "{refusal:?}"),
        other => panic!("ask {number} is refused, not answered {other:?}"),
    }
}

#[when(expr = "the lease is renewed for {int} seconds")]
fn is_renewed(world: &mut PoolWorld, ttl: u64) {
    let lease = granted(world, last_ask(world));
    let answer = world.host().renew_lease(lease, seconds(ttl));
    assert!(answer.is_ok(), "the renewal was answered {answer:?}");
}

#[then(expr = "a renewal of the lease for {int} seconds gives it {int} seconds at most")]
fn renewal_is_cut_short(world: &mut PoolWorld, ttl: u64, most: u64) {
    let lease = granted(world, last_ask(world));
    let left = world
        .host()
        .renew_lease(lease, seconds(ttl))
        .unwrap_or_else(|refusal| panic!("a renewal is allowed while draining, not refused as {refusal:?}"));
    let left = left.unwrap_or_else(|| panic!("the lease has an end"));
    assert!(left > Duration::ZERO && left <= seconds(most), "the lease lives for {left:?}");
}

#[given(expr = "{string} has {int} active lease(s)")]
#[then(expr = "{string} has {int} active lease(s)")]
fn has(world: &mut PoolWorld, pool: String, count: u32) {
    assert_eq!(world.status(&pool).leases_active, count, "active leases in the status of {pool}");
    let entry = super::pools::in_registry(world.seen(), &pool);
    let entry = entry.unwrap_or_else(|| panic!("the registry knows {pool}"));
    assert_eq!(entry.leases_active, count, "active leases of {pool} in the registry snapshot");
}

#[then(expr = "within {int} second(s) {string} has {int} active lease(s)")]
fn comes_to_have(world: &mut PoolWorld, bound: u64, pool: String, count: u32) {
    world.within(seconds(bound), &format!("{pool} has {count} leases"), |seen| {
        status(seen, &pool).leases_active == count
    });
}

#[then(expr = "no lease of {string} was cut")]
fn none_was_cut(world: &mut PoolWorld, pool: String) {
    assert_eq!(world.status(&pool).lease_totals.cut, 0, "leases of {pool} that were cut");
}

#[then(
    expr = "of the leases of {string}, {int} completed, {int} expired, {int} were cut and {int} were lost"
)]
fn ended_as(world: &mut PoolWorld, pool: String, completed: u64, expired: u64, cut: u64, lost: u64) {
    let totals = world.status(&pool).lease_totals;
    assert_eq!(
        (totals.completed, totals.expired, totals.cut, totals.lost),
        (completed, expired, cut, lost),
        "(completed, expired, cut, lost) of {pool}"
    );
}

fn ask(world: &mut PoolWorld, pool: &str, priority: Priority, ttl: Option<Duration>) {
    let ask = world.host().ask_lease(pool, priority, ttl);
    world.asks.push(ask);
}

fn last_ask(world: &PoolWorld) -> u64 {
    *world.asks.last().unwrap_or_else(|| panic!("a client asked for a lease"))
}

fn granted(world: &PoolWorld, ask: u64) -> LeaseId {
    match world.seen().lease_answer(ask) {
        Some(LeaseAnswer::Granted { lease, .. }) => lease,
        other => panic!("the lease is granted, not answered {other:?}"),
    }
}

fn refusal(world: &PoolWorld) -> Refusal {
    match world.seen().lease_answer(last_ask(world)) {
        Some(LeaseAnswer::Refused(refusal)) => refusal,
        other => panic!("the lease is refused, not answered {other:?}"),
    }
}

const fn retry_after(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::CircuitOpen { retry_after }
        | Refusal::Draining { retry_after }
        | Refusal::Full { retry_after }
        | Refusal::NotReady { retry_after, .. }
        | Refusal::Reloading { retry_after } => Some(*retry_after),
        Refusal::Busy { .. }
        | Refusal::NameTaken { .. }
        | Refusal::NoPrevious
        | Refusal::NotDraining
        | Refusal::NotWanted
        | Refusal::PortTaken { .. }
        | Refusal::ShuttingDown
        | Refusal::TooLate
        | Refusal::UnknownLease
        | Refusal::UnknownPool => None,
    }
}
