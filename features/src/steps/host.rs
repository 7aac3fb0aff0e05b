//! The host itself: GPUs, driver, ports.

use cucumber::{given, then, when};
use pool_manager_core::ReleaseGate;

use super::seconds;
use crate::backend::HostCondition;
use crate::world::{PoolWorld, status};

#[given(expr = "the host has the GPUs {string}")]
#[when(expr = "the host has the GPUs {string}")]
fn has_gpus(world: &mut PoolWorld, gpus: String) {
    let gpus = gpus.split(',').filter(|gpu| !gpu.is_empty()).map(str::to_owned).collect();
    world.host().set_host(HostCondition::Gpus(gpus));
}

#[given("the GPU driver does not fit its library")]
fn driver_does_not_fit(world: &mut PoolWorld) {
    world.host().set_host(HostCondition::DriverFits(false));
}

#[when("the GPU driver fits its library again")]
fn driver_fits(world: &mut PoolWorld) {
    world.host().set_host(HostCondition::DriverFits(true));
}

#[given(expr = "another process listens on port {int}")]
fn port_is_taken(world: &mut PoolWorld, port: u16) {
    world.host().set_host(HostCondition::PortTaken(port, true));
}

#[when(expr = "the other process leaves port {int}")]
fn port_is_free(world: &mut PoolWorld, port: u16) {
    world.host().set_host(HostCondition::PortTaken(port, false));
}

#[given(expr = "within {int} second(s) {string} waits because of a host problem")]
#[then(expr = "within {int} second(s) {string} waits because of a host problem")]
fn waits_for_host(world: &mut PoolWorld, bound: u64, pool: String) {
    world.within(seconds(bound), &format!("{pool} waits for the host"), |seen| {
        let release = status(seen, &pool).gates.map(|gates| gates.release);
        matches!(release, Some(ReleaseGate::HostProblem { .. } | ReleaseGate::PortStranger { .. }))
    });
}

#[then(expr = "{string} waits for the host's start limiter")]
fn waits_for_limiter(world: &mut PoolWorld, pool: String) {
    let gates = world.status(&pool).gates.unwrap_or_else(|| panic!("{pool} waits"));
    assert!(gates.limiter_until.is_some(), "{pool} waits for the limiter: {gates:?}");
}

#[then(expr = "at most {int} engines load at once until {int} pools are ready, within {int} seconds")]
fn load_at_once(world: &mut PoolWorld, most: usize, pools: usize, bound: u64) {
    world.within(seconds(bound), &format!("{pools} pools are ready"), |seen| {
        let all = seen.registry();
        let loads = |pool: &&crate::backend::PoolStatus| pool.phase == pool_manager_core::PhaseName::Starting;
        let loading = all.iter().filter(loads).count();
        assert!(loading <= most, "{loading} engines load at once");
        all.iter().filter(|pool| pool.ready).count() == pools
    });
}
