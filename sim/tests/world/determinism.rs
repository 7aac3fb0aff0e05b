//! One seed, one run: the trace hash tells. And a broken invariant is really heard of.

use crate::busy_host;

use std::time::Duration;

use pool_manager_core::{Effect, PhaseName};
use pool_manager_sim::{
    EngineProfile, Latencies, Observed, Oracle, TurnOrder, Violation, World, WorldConfig, test_pool,
};

#[test]
fn the_same_seed_twice_is_the_same_run() {
    for seed in 0..20 {
        let (first, second) = (busy_host::run(seed), busy_host::run(seed));
        assert_eq!(first.trace().hash(), second.trace().hash(), "seed {seed}");
        assert_eq!(first.trace().steps(), second.trace().steps(), "seed {seed}");
    }
}

#[test]
fn an_observer_changes_nothing() {
    let plain = busy_host::run(3);
    let watched = busy_host::run_with(3, World::watch);
    assert_eq!(plain.trace().hash(), watched.trace().hash());
    assert!(!watched.records().is_empty());
}

#[test]
fn different_seeds_are_different_runs() {
    let mut hashes: Vec<u64> = (0..20).map(|seed| busy_host::run(seed).trace().hash()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

/// Claims that no engine is ever spawned, which is not so.
#[derive(Debug)]
struct Canary;

impl Oracle for Canary {
    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        match effect {
            Effect::Spawn { engine, .. } => {
                Err(Violation { invariant: "X99: the canary sings", detail: engine.to_string() })
            }
            Effect::CancelStage { .. }
            | Effect::CheckRelease { .. }
            | Effect::CollectEvidence { .. }
            | Effect::Exit
            | Effect::Preflight { .. }
            | Effect::Probe { .. }
            | Effect::RemoveFile { .. }
            | Effect::Reply { .. }
            | Effect::Signal { .. }
            | Effect::Stage { .. }
            | Effect::WriteFile { .. } => Ok(()),
        }
    }
}

#[test]
#[should_panic(expected = "X99: the canary sings (1/1.1)\n  seed 9, at ")]
fn a_broken_invariant_panics_with_its_name_and_the_seed() {
    let mut world = World::new(WorldConfig {
        seed: 9,
        host: Default::default(),
        latencies: Latencies::busy(),
        order: TurnOrder::Driver,
    });
    world.add_oracle(Box::new(Canary));
    let mut spec = test_pool("a");
    spec.autostart = true;
    let pool = world.register(spec, EngineProfile::default()).expect("a fresh host takes any pool");
    let ready = |world: &World| world.view().pool(pool).is_some_and(|pool| pool.phase == PhaseName::Ready);
    world.run_until(Duration::from_secs(60), ready);
}
