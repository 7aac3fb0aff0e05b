//! Drains and reloads one after the other. Several drains in a row, and of several pools, are in `drain`.

use super::*;

/// Drains a ready pool that nobody uses and lets its engine end.
fn drain_through(stage: &mut Stage) -> Outcome {
    let drain = stage.drain();
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    stage.outcome(drain).expect("nothing was in flight")
}

fn start_again(stage: &mut Stage) {
    stage.preload();
    stage.settle();
    assert_eq!(stage.phase(), PhaseName::Ready);
}

fn reload_through(stage: &mut Stage, hash: u64) -> Option<Outcome> {
    let operation = stage.accepted(Verb::Reload(Box::new(reload::to_spec(hash))));
    stage.settle_until(PhaseName::Stopping);
    stage.exits(ExitStatus::Signal(15));
    stage.settle();
    stage.outcome(operation)
}

#[test]
fn a_drain_and_then_a_reload() {
    let mut stage = Stage::ready();
    assert_eq!(drain_through(&mut stage), Outcome::Completed);
    let operation = stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
    stage.settle();
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::Completed), PhaseName::Ready));
    assert_eq!(stage.view().spec.hash, SpecHash(2), "a drained pool is wanted again");
    stage.lease();
}

#[test]
fn a_reload_whose_drain_times_out_leaves_a_pool_that_can_be_drained() {
    let mut stage = Stage::ready();
    let lease = stage.lease();
    let operation = stage.accepted(Verb::Reload(Box::new(reload::to_spec(2))));
    stage.answer_one(Ask::Preflight);
    stage.answer_one(Ask::Stage);
    stage.pass(SECOND * 60);
    assert_eq!((stage.outcome(operation), stage.phase()), (Some(Outcome::TimedOut), PhaseName::Ready));
    stage.end_lease(lease);
    assert_eq!(drain_through(&mut stage), Outcome::Completed);
    assert_eq!(stage.view().spec.hash, SpecHash(1));
}

#[test]
fn the_pools_id_and_metadata_outlive_drains_and_reloads() {
    let mut stage = Stage::ready_with(|spec| {
        spec.engine.device_mask = [String::from("0"), String::from("1")].into();
        spec.engine.catalog.id = Some(String::from("catalog-7"));
    });
    let known = |stage: &Stage| {
        let view = stage.view();
        (view.uid, view.name.clone(), view.policy.clone(), view.spec.port)
    };
    let before = known(&stage);
    let spec = stage.view().spec.clone();
    drain_through(&mut stage);
    start_again(&mut stage);
    assert_eq!((known(&stage), stage.view().spec), (before.clone(), &spec));
    assert_eq!(reload_through(&mut stage, 2), Some(Outcome::Completed));
    assert_eq!(known(&stage), before);
    assert_eq!(stage.view().previous, Some(&spec), "whole, for the way back");
}
