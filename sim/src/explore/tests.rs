//! The search finds what is planted, by the shortest way, and nothing else.

use pool_manager_core::{HoldReason, PhaseName, View};

use super::marks::{Mark, Marks};
use super::{Counterexample, Failure, Progress, World, run, run_with};
use crate::oracle::{Violation, hold};

fn quiet(_: Progress) {}

fn broken(world: &World, also: super::Property) -> Counterexample {
    match run_with(world, &[also], &mut quiet) {
        Err(Failure::Broken(example)) => example,
        other => panic!("the planted property holds: {other:?}"),
    }
}

#[test]
fn a_tiny_world_is_searched_to_its_end_and_equal_fingerprints_lead_to_equal_states() {
    let world = World { leases: 0, faults: 1, acts: 0, check_fingerprints: true, ..World::default() };
    let summary = run(&world, &mut quiet).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(summary.states > 100 && summary.settled > 0, "{summary:?}");
    let reached = |mark| summary.marks.contains(&mark);
    assert!(reached(Mark::Ready) && !reached(Mark::Granted), "{:?}", summary.marks);
}

#[test]
fn the_way_to_a_planted_violation_is_the_shortest() {
    fn never_ready(view: View<'_>) -> Result<(), Violation> {
        let ready = view.pools().any(|pool| pool.phase == PhaseName::Ready);
        hold(!ready, "X01: no pool is ever ready", String::new)
    }
    let example = broken(&World { faults: 2, acts: 1, ..World::default() }, never_ready);
    assert_eq!(example.violation.invariant, "X01: no pool is ever ready");
    let told: Vec<&str> = example.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(
        told,
        [
            "pool 1 is registered, wanted up",
            "pool 1: staging of spec 1 succeeds",
            "pool 1: the release check says Free",
            "pool 1: the spawn of engine 1/1.1 succeeds",
            "pool 1: writing the PID file succeeds",
            "pool 1: the readiness probe finds Healthy",
        ]
    );
}

#[test]
fn the_inputs_of_a_violation_lead_a_core_to_it() {
    fn never_stuck(view: View<'_>) -> Result<(), Violation> {
        let stuck = view.pools().any(|pool| pool.held == Some(HoldReason::Stuck));
        hold(!stuck, "X02: no engine is ever stuck", String::new)
    }
    let world = World { leases: 0, faults: 1, acts: 1, ..World::default() };
    let example = broken(&world, never_stuck);
    let mut host = world.host();
    let told = example.inputs_as_json();
    for line in told.lines() {
        let (at, input) = serde_json::from_str(line).expect("an input reads back");
        host.handle(at, input);
        while host.poll_effect().is_some() {}
        while host.poll_event().is_some() {}
    }
    assert!(never_stuck(host.view()).is_err(), "{example}");
}

#[test]
fn a_world_that_cannot_come_to_rest_is_found_out() {
    let world = World { leases: 0, faults: 1, acts: 1, immortal: true, ..World::default() };
    match run(&world, &mut quiet) {
        Err(Failure::NeverSettles(example)) => {
            let sticks = |step: &super::Step| step.what.contains("does not die of KILL");
            assert!(example.steps.iter().any(sticks), "{example}");
        }
        other => panic!("an engine lives for ever, and yet: {other:?}"),
    }
}

#[test]
fn a_search_that_saw_nothing_is_missing_what_its_world_has() {
    let small = Marks::default().missing(&World { faults: 0, acts: 0, leases: 0, ..World::default() });
    assert!(small.contains(&Mark::Ready) && !small.contains(&Mark::LeaseCut), "{small:?}");
    let large = World { pools: 2, leases: 2, faults: 3, acts: 2, ..World::default() };
    assert_eq!(Marks::default().missing(&large), Mark::ALL);
}
