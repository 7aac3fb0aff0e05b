//! The search finds what is planted, by the shortest way, and nothing else.

use pool_manager_core::{PhaseName, View};

use super::{Failure, Property, World, run, run_with};
use crate::oracle::Violation;

fn quiet(_: super::Progress) {}

#[test]
fn a_tiny_world_is_searched_to_its_end_and_its_fingerprints_tell_what_matters() {
    let world = World { faults: 1, acts: 0, leases: 1, check_fingerprints: true, ..World::default() };
    let summary = run(&world, &mut quiet).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{summary:?}");
}

