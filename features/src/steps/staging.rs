//! Staging: what a model needs before it can be run, and what the provisioner was asked for.

use cucumber::{given, then, when};
use pool_manager_core::StageError;

use super::seconds;
use crate::world::PoolWorld;

#[given(expr = "for {string} the model {string} must be fetched, which takes {int} seconds")]
fn must_be_fetched(world: &mut PoolWorld, pool: String, model: String, takes: u64) {
    world.rescript(&pool, &model, |script| {
        (script.staging.fetch, script.staging.takes) = (true, seconds(takes));
    });
}

#[given(expr = "for {string} the model {string} is there, and takes {int} seconds to check")]
fn must_be_checked(world: &mut PoolWorld, pool: String, model: String, takes: u64) {
    world.rescript(&pool, &model, |script| {
        (script.staging.fetch, script.staging.takes) = (false, seconds(takes));
    });
}

#[given(expr = "for {string} fetching the model {string} stands still after {int} seconds")]
fn stalls(world: &mut PoolWorld, pool: String, model: String, after: u64) {
    world.rescript(&pool, &model, |script| {
        script.staging.fetch = true;
        script.staging.takes = seconds(after * 10);
        script.staging.stalls_after = Some(seconds(after));
    });
}

#[given(expr = "for {string} staging the model {string} fails because {string}")]
fn fails(world: &mut PoolWorld, pool: String, model: String, why: String) {
    world.rescript(&pool, &model, |script| script.staging.fails = Some(stage_error(&why)));
}

#[given(expr = "for {string} a look at the model {string} fails because {string}")]
fn preflight_fails(world: &mut PoolWorld, pool: String, model: String, why: String) {
    world.rescript(&pool, &model, |script| script.staging.preflight_fails = Some(stage_error(&why)));
}

#[when(expr = "for {string} staging the model {string} works")]
#[given(expr = "for {string} staging the model {string} works")]
fn works(world: &mut PoolWorld, pool: String, model: String) {
    world.rescript(&pool, &model, |script| {
        (script.staging.fails, script.staging.preflight_fails) = (None, None);
        script.staging.stalls_after = None;
    });
}

#[then(expr = "within {int} second(s) the provisioner of {string} has staged {string}")]
fn is_staged(world: &mut PoolWorld, bound: u64, pool: String, model: String) {
    world.within(seconds(bound), &format!("{model} is staged for {pool}"), |seen| {
        seen.is_staged(&pool, &model)
    });
}

#[given(expr = "the provisioner of {string} was asked for {string}, {int} time(s)")]
#[then(expr = "the provisioner of {string} was asked for {string}, {int} time(s)")]
fn was_asked_for(world: &mut PoolWorld, pool: String, model: String, times: usize) {
    let asked = world.seen().stagings_asked(&pool);
    assert_eq!(asked.iter().filter(|asked| **asked == model).count(), times, "{pool}: {asked:?}");
}

fn stage_error(why: &str) -> StageError {
    match why {
        "it is not there" => StageError::Missing,
        "its digest is wrong" => StageError::BadDigest,
        "its size is wrong" => StageError::BadSize,
        "the disk is full" => StageError::NoSpace,
        "the server answers HTTP 404" => StageError::Fetch(404),
        _ => panic!("no staging fails because {why:?}"),
    }
}
