//! Reloads: asked for, under way, and ended.

use std::time::Duration;

use cucumber::{given, then, when};
use pool_manager_core::{OnDrainTimeout, OperationKind, Outcome, Reload, ReloadTarget, Verb};

use super::{millis, seconds};
use crate::world::{PoolWorld, operation};

#[given(expr = "{string} is reloaded to {string}")]
#[when(expr = "{string} is reloaded to {string}")]
fn is_reloaded(world: &mut PoolWorld, pool: String, model: String) {
    let reload = plan(world, &pool, &model, None);
    world.order(&pool, Verb::Reload(Box::new(reload)));
}

#[when(expr = "{string} is reloaded to {string} with a drain deadline of {int} ms")]
fn is_reloaded_within(world: &mut PoolWorld, pool: String, model: String, deadline: u64) {
    let reload = plan(world, &pool, &model, Some(millis(deadline)));
    world.order(&pool, Verb::Reload(Box::new(reload)));
}

#[when(expr = "{string} is reloaded to {string} even if it is the same")]
fn is_reloaded_by_force(world: &mut PoolWorld, pool: String, model: String) {
    let reload = Reload { force: true, ..plan(world, &pool, &model, None) };
    world.order(&pool, Verb::Reload(Box::new(reload)));
}

#[when(expr = "{string} is reloaded to {string}, cutting what is left after {int} ms")]
fn is_reloaded_cutting(world: &mut PoolWorld, pool: String, model: String, deadline: u64) {
    let on_drain_timeout = Some(OnDrainTimeout::Force);
    let reload = Reload { on_drain_timeout, ..plan(world, &pool, &model, Some(millis(deadline))) };
    world.order(&pool, Verb::Reload(Box::new(reload)));
}

#[when(expr = "a reload of {string} to {string} is asked")]
fn is_asked(world: &mut PoolWorld, pool: String, model: String) {
    let reload = plan(world, &pool, &model, None);
    world.command(&pool, Verb::Reload(Box::new(reload)));
}

#[given(expr = "{string} is reloaded back")]
#[when(expr = "{string} is reloaded back")]
fn is_reloaded_back(world: &mut PoolWorld, pool: String) {
    world.command(&pool, Verb::Reload(Box::new(back())));
}

#[then(expr = "within {int} second(s) the reload of {string} is rolled back because {string}")]
fn is_rolled_back(world: &mut PoolWorld, bound: u64, pool: String, why: String) {
    let id = world.operation_id(&pool, OperationKind::Reload);
    world.within(seconds(bound), &format!("the reload of {pool} ends"), |seen| {
        operation(seen, id).ended.is_some()
    });
    match world.operation(&pool, OperationKind::Reload).ended {
        Some((_, Outcome::RolledBack { verdict })) => assert_eq!(verdict.class.to_string(), why),
        other => panic!("the reload of {pool} is rolled back: {other:?}"),
    }
}

#[then(expr = "the reload of {string} says that the other engine failed too, because {string}")]
fn says_both(world: &mut PoolWorld, pool: String, why: String) {
    let ended = world.operation(&pool, OperationKind::Reload).ended;
    match ended {
        Some((_, Outcome::Failed { also: Some(also), .. })) => assert_eq!(also.class.to_string(), why),
        other => panic!("the reload names both reasons: {other:?}"),
    }
}

#[then(expr = "the reload of {string} has not ended")]
fn runs(world: &mut PoolWorld, pool: String) {
    let reload = world.operation(&pool, OperationKind::Reload);
    assert_eq!(reload.ended, None, "reload of {pool}");
}

#[given(expr = "what {string} served before was {string}")]
#[then(expr = "what {string} served before was {string}")]
fn has_previous(world: &mut PoolWorld, pool: String, model: String) {
    let previous = world.status(&pool).previous.map(|spec| spec.catalog.model);
    assert_eq!(previous, Some(model), "previous model of {pool}");
}

fn plan(world: &mut PoolWorld, pool: &str, model: &str, deadline: Option<Duration>) -> Reload {
    let to = ReloadTarget::Spec(world.draft(pool).engine(model));
    // A model nobody said anything about is unremarkable, which a host must be told as well.
    world.rescript(pool, model, |_| {});
    Reload { to, deadline, on_drain_timeout: None, force: false }
}

const fn back() -> Reload {
    Reload { to: ReloadTarget::Back, deadline: None, on_drain_timeout: None, force: false }
}
