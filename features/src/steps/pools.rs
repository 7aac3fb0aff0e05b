//! Pools: described, registered, made ready, and what readers see of them.

use std::time::Duration;

use cucumber::{given, then, when};
use pool_manager_core::{PhaseName, Verb};

use super::{millis, seconds};
use crate::backend::{Accepted, Backend, PoolStatus};
use crate::world::{PoolWorld, status};

/// Longest wait for an engine of a scenario to become ready: the longest load, and the limiter's queue.
const READY_WITHIN: Duration = Duration::from_secs(60);

#[given(expr = "a pool {string}")]
fn is_drafted(world: &mut PoolWorld, pool: String) {
    world.fresh_draft(&pool);
}

#[given(expr = "a pool {string} that serves {string}")]
fn is_drafted_with_model(world: &mut PoolWorld, pool: String, model: String) {
    world.fresh_draft(&pool).set_model(&model);
}

#[given(expr = "the catalog entry {string} of {string} has engine version {string}")]
fn has_version(world: &mut PoolWorld, model: String, pool: String, version: String) {
    world.draft(&pool).set_version(&model, Some(version));
}

#[given(expr = "the catalog entry {string} of {string} states no engine version")]
fn has_no_version(world: &mut PoolWorld, model: String, pool: String) {
    world.draft(&pool).set_version(&model, None);
}

#[given(expr = "{string} uses the devices {string}")]
fn uses_devices(world: &mut PoolWorld, pool: String, mask: String) {
    let devices = mask.split(',').filter(|device| !device.is_empty()).map(str::to_owned).collect();
    world.fresh_draft(&pool).spec.engine.device_mask = devices;
}

#[given(expr = "{string} listens on port {int}")]
fn listens(world: &mut PoolWorld, pool: String, port: u16) {
    world.fresh_draft(&pool).spec.engine.port = Some(port);
}

#[given(expr = "{string} is started as soon as it is registered")]
fn has_autostart(world: &mut PoolWorld, pool: String) {
    world.fresh_draft(&pool).spec.autostart = true;
}

#[given(expr = "the pool {string} is registered")]
#[when(expr = "the pool {string} is registered")]
fn is_registered(world: &mut PoolWorld, pool: String) {
    register(world, &pool);
}

#[when(expr = "the pool {string} is offered for registration")]
fn is_offered(world: &mut PoolWorld, pool: String) {
    let spec = world.draft(&pool).spec.clone();
    world.answered = Some(world.host().register(spec).map(|()| Accepted::Done));
}

#[given(expr = "the pool {string} is ready")]
#[when(expr = "the pool {string} is ready")]
fn is_made_ready(world: &mut PoolWorld, pool: String) {
    make_ready(world, &pool);
}

#[given(expr = "the pool {string} is ready, with an engine that ignores TERM")]
fn is_made_ready_and_stubborn(world: &mut PoolWorld, pool: String) {
    let model = world.draft(&pool).model();
    world.rescript(&pool, &model, |script| script.term = crate::backend::ScriptedTerm::Ignores);
    make_ready(world, &pool);
}

#[given(expr = "{int} pools are ready")]
fn several_are_ready(world: &mut PoolWorld, count: usize) {
    for number in 1..=count {
        make_ready(world, &format!("pool-{number:02}"));
    }
}

#[given(expr = "{int} pools whose engines load in {int} ms are told to preload")]
fn several_are_told_to_preload(world: &mut PoolWorld, count: usize, load: u64) {
    for number in 1..=count {
        let pool = format!("pool-{number:02}");
        let model = world.draft(&pool).model();
        world.rescript(&pool, &model, |script| script.load = millis(load));
        register(world, &pool);
        world.order(&pool, Verb::Preload);
    }
}

#[given(expr = "{int} second(s) pass")]
#[when(expr = "{int} second(s) pass")]
fn seconds_pass(world: &mut PoolWorld, span: u64) {
    pass(world, seconds(span));
}

#[given(expr = "{int} ms pass")]
#[when(expr = "{int} ms pass")]
fn millis_pass(world: &mut PoolWorld, span: u64) {
    pass(world, millis(span));
}

#[given(expr = "within {int} second(s) {string} is ready")]
#[then(expr = "within {int} second(s) {string} is ready")]
fn becomes_ready(world: &mut PoolWorld, bound: u64, pool: String) {
    world.within(seconds(bound), &format!("{pool} is ready"), |seen| status(seen, &pool).ready);
}

#[then(expr = "{string} is ready")]
fn is_ready(world: &mut PoolWorld, pool: String) {
    assert_eq!(health(world, &pool), (true, true), "(live, ready) of {pool} everywhere");
}

#[then(expr = "{string} is not ready")]
fn is_not_ready_anywhere(world: &mut PoolWorld, pool: String) {
    assert!(!health(world, &pool).1, "{pool} is not ready anywhere");
}

#[given(expr = "{string} is live, not ready")]
#[then(expr = "{string} is live, not ready")]
fn is_live_only(world: &mut PoolWorld, pool: String) {
    assert_eq!(health(world, &pool), (true, false), "(live, ready) of {pool} everywhere");
}

#[then(expr = "for {int} second(s) {string} stays ready")]
fn stays_ready(world: &mut PoolWorld, span: u64, pool: String) {
    world.throughout(seconds(span), &format!("{pool} is ready"), |seen| status(seen, &pool).ready);
}

#[given(expr = "the registry snapshot says that {string} is live and ready")]
#[then(expr = "the registry snapshot says that {string} is live and ready")]
fn is_live_and_ready(world: &mut PoolWorld, pool: String) {
    assert_eq!(registry_health(world, &pool), (true, true), "(live, ready) of {pool} in the registry");
}

#[then(expr = "the registry snapshot says that {string} is neither live nor ready")]
fn is_neither_live_nor_ready(world: &mut PoolWorld, pool: String) {
    assert_eq!(registry_health(world, &pool), (false, false), "(live, ready) of {pool} in the registry");
}

#[then(expr = "the status of {string} says that it is not ready")]
fn status_is_not_ready(world: &mut PoolWorld, pool: String) {
    let status = world.status(&pool);
    assert!(!status.ready, "status of {pool}: {status:?}");
}

#[given(expr = "the phase of {string} is {word}")]
#[then(expr = "the phase of {string} is {word}")]
fn is_in_phase(world: &mut PoolWorld, pool: String, word: String) {
    assert_eq!(world.status(&pool).phase, phase(&word), "phase of {pool}");
}

#[given(expr = "within {int} second(s) the phase of {string} is {word}")]
#[then(expr = "within {int} second(s) the phase of {string} is {word}")]
fn reaches_phase(world: &mut PoolWorld, bound: u64, pool: String, word: String) {
    let phase = phase(&word);
    world.within(seconds(bound), &format!("{pool} is {word}"), |seen| status(seen, &pool).phase == phase);
}

#[then(expr = "for {int} second(s) the phase of {string} stays {word}")]
fn stays_in_phase(world: &mut PoolWorld, span: u64, pool: String, word: String) {
    let phase = phase(&word);
    world.throughout(seconds(span), &format!("{pool} is {word}"), |seen| status(seen, &pool).phase == phase);
}

#[then(expr = "{string} is marked failed")]
fn is_failed(world: &mut PoolWorld, pool: String) {
    assert!(world.status(&pool).failed, "{pool} is marked failed: {:?}", world.status(&pool));
}

#[then(expr = "{string} is not marked failed")]
fn is_not_failed(world: &mut PoolWorld, pool: String) {
    assert!(!world.status(&pool).failed, "{pool} is not marked failed: {:?}", world.status(&pool));
}

#[then(expr = "for {int} second(s) {string} stays marked failed")]
fn stays_failed(world: &mut PoolWorld, span: u64, pool: String) {
    world.throughout(seconds(span), &format!("{pool} is marked failed"), |seen| status(seen, &pool).failed);
}

#[then(expr = "{string} is held because {string}")]
fn is_held(world: &mut PoolWorld, pool: String, why: String) {
    let held = world.status(&pool).held.map(|held| held.label());
    assert_eq!(held, Some(why.as_str()), "why {pool} is held");
}

#[then(expr = "there is no pool {string}")]
fn is_unknown(world: &mut PoolWorld, pool: String) {
    assert!(world.seen().status(&pool).is_none(), "{pool} is not known");
    assert!(in_registry(world.seen(), &pool).is_none(), "the registry does not know {pool}");
}

#[given(expr = "within {int} second(s) there is no pool {string}")]
#[then(expr = "within {int} second(s) there is no pool {string}")]
fn becomes_unknown(world: &mut PoolWorld, bound: u64, pool: String) {
    world.within(seconds(bound), &format!("{pool} is forgotten"), |seen| seen.status(&pool).is_none());
}

#[then(expr = "the registry snapshot lists {string}, in this order")]
fn are_listed(world: &mut PoolWorld, names: String) {
    let listed: Vec<String> = world.seen().registry().into_iter().map(|pool| pool.pool_id).collect();
    assert_eq!(listed.join(", "), names, "the registry snapshot");
}

#[given(expr = "the status of {string} is written down")]
fn is_written_down(world: &mut PoolWorld, pool: String) {
    let status = world.status(&pool);
    world.noted.insert(pool, status);
}

#[then(
    expr = "every registry field of {string} is as written down, except incarnation, pid, since, heartbeat, version and counters"
)]
fn is_as_before(world: &mut PoolWorld, pool: String) {
    let before = world.noted.remove(&pool).unwrap_or_else(|| panic!("{pool} was written down"));
    let after = in_registry(world.seen(), &pool).unwrap_or_else(|| panic!("the registry knows {pool}"));
    let slack = world.seen().promptness();
    let [load_before, load_after] = [&before, &after].map(|pool| pool.load_time.unwrap_or_default());
    assert!(load_before.abs_diff(load_after) <= slack, "load time: {load_before:?}, {load_after:?}");
    assert_eq!(comparable(before), comparable(after), "registry entry of {pool}");
}

#[given(expr = "the pool id of {string} is {string} and its device mask {string}")]
#[then(expr = "the pool id of {string} is {string} and its device mask {string}")]
fn has_id_and_mask(world: &mut PoolWorld, pool: String, id: String, mask: String) {
    let status = world.status(&pool);
    assert_eq!((status.pool_id, status.spec.device_mask.join(",")), (id, mask));
}

#[then(expr = "{string} has {int} slots and the device mask {string}")]
fn has_slots_and_mask(world: &mut PoolWorld, pool: String, slots: u32, mask: String) {
    let entry = in_registry(world.seen(), &pool).unwrap_or_else(|| panic!("the registry knows {pool}"));
    assert_eq!((entry.policy.lease.slots, entry.spec.device_mask.join(",")), (slots, mask));
}

#[given(expr = "the registry says that {string} runs engine version {string} with model {string}")]
#[then(expr = "the registry says that {string} runs engine version {string} with model {string}")]
fn runs_catalog_entry(world: &mut PoolWorld, pool: String, version: String, model: String) {
    let entry = in_registry(world.seen(), &pool).unwrap_or_else(|| panic!("the registry knows {pool}"));
    let catalog = entry.spec.catalog;
    assert_eq!((catalog.engine_version, catalog.model), (Some(version), model), "catalog entry of {pool}");
}

pub(super) fn make_ready(world: &mut PoolWorld, pool: &str) {
    if world.seen().status(pool).is_none() {
        // Room for every lease a scenario holds, unless it says how much there is.
        let lease = &mut world.draft(pool).spec.policy.lease;
        if lease.slots == pool_manager_core::LeasePolicy::default().slots {
            lease.slots = 8;
        }
        register(world, pool);
    }
    world.order(pool, Verb::Preload);
    world.within(READY_WITHIN, &format!("{pool} is ready"), |seen| status(seen, pool).ready);
}

fn register(world: &mut PoolWorld, pool: &str) {
    let draft = world.draft(pool).clone();
    let model = draft.model();
    let script = draft.scripts.get(&model).cloned().unwrap_or_default();
    world.host().script(pool, &model, &script);
    let answer = world.host().register(draft.spec);
    assert_eq!(answer, Ok(()), "{pool} is registered");
}

fn pass(world: &mut PoolWorld, span: Duration) {
    world.host().advance_until(span, &|_| false);
}

fn registry_health(world: &PoolWorld, pool: &str) -> (bool, bool) {
    let entry = in_registry(world.seen(), pool).unwrap_or_else(|| panic!("the registry knows {pool}"));
    (entry.live, entry.ready)
}

/// Live and ready, the same in status and registry.
fn health(world: &PoolWorld, pool: &str) -> (bool, bool) {
    let status = world.status(pool);
    assert_eq!(registry_health(world, pool), (status.live, status.ready), "registry and status of {pool}");
    (status.live, status.ready)
}

pub(super) fn in_registry(seen: &dyn Backend, pool: &str) -> Option<PoolStatus> {
    seen.registry().into_iter().find(|entry| entry.pool_id == pool)
}

/// An entry without what changes with every run of an engine.
fn comparable(status: PoolStatus) -> PoolStatus {
    PoolStatus {
        incarnation: None,
        pid: None,
        since: pool_manager_core::Time::ZERO,
        heartbeat: None,
        load_time: None,
        // Counters.
        lease_totals: pool_manager_core::LeaseTotals::default(),
        last_operation: None,
        ..status
    }
}

fn phase(word: &str) -> PhaseName {
    let phase = PhaseName::ALL.into_iter().find(|phase| phase.label() == word);
    phase.unwrap_or_else(|| panic!("no phase is called {word:?}"))
}
