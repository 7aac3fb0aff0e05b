//! How the engines of a pool behave, from their next start on.

use cucumber::given;
use pool_manager_core::SpawnError;

use super::{millis, seconds};
use crate::backend::{Script, ScriptedHealth, ScriptedTerm};
use crate::world::PoolWorld;

#[given(expr = "the engines of {string} load in {int} ms")]
fn load_in(world: &mut PoolWorld, pool: String, span: u64) {
    of_first_model(world, &pool, |script| script.load = millis(span));
}

#[given(expr = "the engines of {string} that serve {string} load in {int} ms")]
fn of_model_load_in(world: &mut PoolWorld, pool: String, model: String, span: u64) {
    world.rescript(&pool, &model, |script| script.load = millis(span));
}

#[given(expr = "the engines of {string} never become healthy")]
fn never_become_healthy(world: &mut PoolWorld, pool: String) {
    of_first_model(world, &pool, |script| script.health = ScriptedHealth::LoadsForEver);
}

#[given(expr = "the engines of {string} that serve {string} never become healthy")]
fn of_model_never_become_healthy(world: &mut PoolWorld, pool: String, model: String) {
    world.rescript(&pool, &model, |script| script.health = ScriptedHealth::LoadsForEver);
}

#[given(expr = "the engines of {string} become healthy")]
fn become_healthy(world: &mut PoolWorld, pool: String) {
    of_first_model(world, &pool, |script| {
        (script.health, script.ends, script.spawn_fails) = (ScriptedHealth::Healthy, None, None);
    });
}

#[given(expr = "the engines of {string} exit with code {int}, {int} ms after their start")]
fn exit_early(world: &mut PoolWorld, pool: String, code: i32, after: u64) {
    of_first_model(world, &pool, |script| script.ends = Some((millis(after), code)));
}

#[given(
    expr = "the engines of {string} that serve {string} exit with code {int}, {int} ms after their start"
)]
fn of_model_exit_early(world: &mut PoolWorld, pool: String, model: String, code: i32, after: u64) {
    world.rescript(&pool, &model, |script| script.ends = Some((millis(after), code)));
}

#[given(expr = "no engine of {string} can be made, because {string}")]
fn cannot_be_made(world: &mut PoolWorld, pool: String, why: String) {
    let error = match why.as_str() {
        "there is no such program" => SpawnError::NotFound,
        "there is no memory" => SpawnError::NoResources,
        "it is not allowed" => SpawnError::Denied,
        _ => panic!("no spawn fails because {why:?}"),
    };
    of_first_model(world, &pool, |script| script.spawn_fails = Some(error));
}

#[given(expr = "the engines of {string} ignore TERM")]
fn ignore_term(world: &mut PoolWorld, pool: String) {
    of_first_model(world, &pool, |script| script.term = ScriptedTerm::Ignores);
}

#[given(expr = "the engines of {string} that serve {string} ignore TERM")]
fn of_model_ignore_term(world: &mut PoolWorld, pool: String, model: String) {
    world.rescript(&pool, &model, |script| script.term = ScriptedTerm::Ignores);
}

#[given(expr = "the engines of {string} take {int} ms to end after TERM")]
fn take_to_end(world: &mut PoolWorld, pool: String, span: u64) {
    of_first_model(world, &pool, |script| script.term = ScriptedTerm::Exits(millis(span)));
}

#[given(expr = "the engines of {string} ignore TERM and take {int} seconds to end after KILL")]
fn take_to_be_killed(world: &mut PoolWorld, pool: String, span: u64) {
    of_first_model(world, &pool, |script| {
        (script.term, script.kill_takes) = (ScriptedTerm::Ignores, seconds(span));
    });
}

#[given(expr = "the GPU memory of engines of {string} stays taken for {int} ms after their end")]
fn linger(world: &mut PoolWorld, pool: String, span: u64) {
    of_first_model(world, &pool, |script| script.lingers = millis(span));
}

fn of_first_model(world: &mut PoolWorld, pool: &str, change: impl FnOnce(&mut Script)) {
    let model = world.draft(pool).model();
    world.rescript(pool, &model, change);
}
