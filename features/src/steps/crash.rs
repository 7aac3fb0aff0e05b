//! What goes wrong with engines that run, and what is found out about it.

use cucumber::{given, then, when};
use pool_manager_core::{CrashClass, LastError};

use super::seconds;
use crate::backend::Fault;
use crate::world::{PoolWorld, status};

/// Longest wait for an engine that is to be crashed: the largest backoff and a load.
const UP_AGAIN_S: u64 = 90;

#[given(expr = "the engine of {string} exits with code {int}")]
#[when(expr = "the engine of {string} exits with code {int}")]
fn exits(world: &mut PoolWorld, pool: String, code: i32) {
    inject(world, &pool, Fault::Exits(code));
}

#[when(expr = "the engine of {string} is killed by {word}")]
fn is_killed(world: &mut PoolWorld, pool: String, signal: String) {
    let number = (1..=31).find(|number| pool_manager_core::signal_name(*number) == Some(&signal));
    let number = number.unwrap_or_else(|| panic!("no signal is called {signal}"));
    inject(world, &pool, Fault::Killed(number));
}

#[when(expr = "the kernel's OOM killer takes the engine of {string}")]
fn is_oom_killed(world: &mut PoolWorld, pool: String) {
    inject(world, &pool, Fault::OomKilled);
}

#[when(expr = "the engine of {string} logs a CUDA error and aborts")]
fn aborts_on_cuda(world: &mut PoolWorld, pool: String) {
    inject(world, &pool, Fault::AbortsOnCuda);
}

#[when(expr = "the engine of {string} logs a CUDA error")]
fn logs_cuda_error(world: &mut PoolWorld, pool: String) {
    inject(world, &pool, Fault::LogsCudaError);
}

#[when(expr = "the driver reports Xid {int} on a GPU of {string}")]
fn gpu_fault(world: &mut PoolWorld, xid: u32, pool: String) {
    inject(world, &pool, Fault::GpuFault(xid));
}

#[when(expr = "the engine of {string} answers probes with HTTP {int}")]
fn answers_status(world: &mut PoolWorld, pool: String, status: u16) {
    inject(world, &pool, Fault::AnswersStatus(status));
}

#[when(expr = "the engine of {string} hangs")]
fn hangs(world: &mut PoolWorld, pool: String) {
    inject(world, &pool, Fault::Hangs);
}

#[when(expr = "the engine of {string} answers again")]
fn recovers(world: &mut PoolWorld, pool: String) {
    inject(world, &pool, Fault::Recovers);
}

#[when("the engines of all pools exit with code 1 in one instant")]
fn all_exit(world: &mut PoolWorld) {
    let pools: Vec<String> = world.seen().registry().into_iter().map(|pool| pool.pool_id).collect();
    world.host().inject_all(&pools, Fault::Exits(1));
}

#[given(expr = "the engine of {string} crashes, {int} time(s) in a row")]
#[when(expr = "the engine of {string} crashes, {int} time(s) in a row")]
fn crash_in_a_row(world: &mut PoolWorld, pool: String, times: u64) {
    in_a_row(world, &pool, times, Fault::Exits(1));
}

#[given(expr = "the engine of {string} aborts on a CUDA error, {int} time(s) in a row")]
#[when(expr = "the engine of {string} aborts on a CUDA error, {int} time(s) in a row")]
fn cuda_in_a_row(world: &mut PoolWorld, pool: String, times: u64) {
    in_a_row(world, &pool, times, Fault::AbortsOnCuda);
}

#[when(expr = "the kernel's OOM killer takes the engine of {string}, {int} time(s) in a row")]
fn oom_in_a_row(world: &mut PoolWorld, pool: String, times: u64) {
    in_a_row(world, &pool, times, Fault::OomKilled);
}

#[given(expr = "{string} is restarted automatically, {int} time(s) in a row")]
#[when(expr = "{string} is restarted automatically, {int} time(s) in a row")]
fn restarted_in_a_row(world: &mut PoolWorld, pool: String, times: u64) {
    in_a_row(world, &pool, times, Fault::Exits(1));
    // The last crash is followed by the last restart.
    world.within(seconds(UP_AGAIN_S), &format!("{pool} is up again"), |seen| status(seen, &pool).ready);
}

#[then(expr = "the crash count of {string} is {int}")]
fn crash_count(world: &mut PoolWorld, pool: String, count: u64) {
    assert_eq!(world.status(&pool).crashes_total, count, "crashes of {pool}");
}

#[given(expr = "within {int} second(s) the crash count of {string} is {int}")]
#[then(expr = "within {int} second(s) the crash count of {string} is {int}")]
fn crash_count_comes(world: &mut PoolWorld, bound: u64, pool: String, count: u64) {
    world.within(seconds(bound), &format!("{pool} has crashed {count} times"), |seen| {
        status(seen, &pool).crashes_total == count
    });
}

#[given(expr = "the last error of {string} is {string}")]
#[then(expr = "the last error of {string} is {string}")]
fn last_error_is(world: &mut PoolWorld, pool: String, text: String) {
    let error = last_error(world, &pool);
    assert_eq!(error.verdict.class.to_string(), text, "last error of {pool}: {error:?}");
}

#[then(expr = "the last error of {string} is of class {word}")]
fn last_error_is_of_class(world: &mut PoolWorld, pool: String, class: String) {
    let error = last_error(world, &pool);
    assert_eq!(error.verdict.class.label(), class, "last error of {pool}: {error:?}");
}

#[then(expr = "the last error of {string} is of class cuda, with Xid {int}")]
fn last_error_is_xid(world: &mut PoolWorld, pool: String, xid: u32) {
    let error = last_error(world, &pool);
    assert_eq!(error.verdict.class, CrashClass::Cuda(Some(xid)), "last error of {pool}: {error:?}");
}

#[then(expr = "{string} has no last error")]
fn has_no_last_error(world: &mut PoolWorld, pool: String) {
    assert_eq!(world.status(&pool).last_error, None, "last error of {pool}");
}

#[then(expr = "{string} is suspect")]
fn is_suspect(world: &mut PoolWorld, pool: String) {
    assert!(world.status(&pool).suspect, "{pool} is suspect");
}

#[then(expr = "{string} is not suspect")]
fn is_not_suspect(world: &mut PoolWorld, pool: String) {
    assert!(!world.status(&pool).suspect, "{pool} is not suspect");
}

fn last_error(world: &PoolWorld, pool: &str) -> LastError {
    let error = world.status(pool).last_error;
    error.unwrap_or_else(|| panic!("{pool} has a last error"))
}

fn inject(world: &mut PoolWorld, pool: &str, fault: Fault) {
    assert!(world.host().inject(pool, fault), "{fault:?} needs an engine of {pool} that runs");
}

/// Waits for the engine to be ready, crashes it, and the same again.
fn in_a_row(world: &mut PoolWorld, pool: &str, times: u64, fault: Fault) {
    for _ in 0..times {
        world.within(seconds(UP_AGAIN_S), &format!("{pool} is up to be crashed"), |seen| {
            status(seen, pool).ready
        });
        let before = world.status(pool).crashes_total;
        inject(world, pool, fault);
        world.within(seconds(1), &format!("the crash of {pool} is noticed"), |seen| {
            status(seen, pool).crashes_total == before + 1
        });
    }
}
