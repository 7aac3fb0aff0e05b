//! What must come about once nobody does anything of their own any more and nothing strikes: the invariants L01 to
//! L15, but for those about a registry that other hosts share.
//!
//! `plan` calls [`check`] at the end of a run. First everything settles, with a [`Watch`] looking on at every turn;
//! then, by the seed, something is done to the host that it must answer within a bound. Every bound is made of the
//! pools' own policies (`bounds`). A broken invariant panics with its name.

mod bounds;
mod limiter;
mod provoke;
mod settle;
mod size;
mod watch;

use crate::random::{Entity, Stream};
use crate::world::World;
use watch::Watch;

/// Calm, then every invariant of what must come about.
///
/// # Panics
/// With the name of the one that does not.
pub(crate) fn check(world: &mut World) {
    world.calm();
    let mut draws = Stream::new(world.seed(), Entity::Liveness);
    if world.is_down() {
        world.start_supervisor();
    }
    let mut watch = Watch::begin(world);
    if draws.one_in(3) {
        provoke::let_restart(world, &mut watch);
    }
    settle::settle(world, &mut watch);
    if draws.one_in(4) {
        provoke::hang(world, &mut watch, &mut draws);
    }
    if draws.one_in(4) {
        provoke::crash(world, &mut watch, &mut draws);
    }
    if draws.one_in(12) {
        settle::stay_stable(world, &mut watch);
    }
    size::is_as_at_the_start(world);
    if draws.one_in(3) {
        provoke::shut_down(world, &mut watch);
    }
}
