use std::collections::BTreeSet;

use pool_manager_core::{ExitStatus, Input, PoolUid, Verb};

use super::*;
use crate::oracle::{Observed, Oracle, Violation};
use crate::plan::{Options, Run, Swarm};

/// Claims that no pool is drained that has seen an engine die: false of many runs, and of two strikes at least.
#[derive(Debug, Default)]
struct Canary {
    crashed: BTreeSet<PoolUid>,
    drained: BTreeSet<PoolUid>,
}

impl Oracle for Canary {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        // A list, not a match: any other input is none of its business, whatever comes.
        if let Input::Exited { engine, status: ExitStatus::Signal(6 | 11) } = input {
            self.crashed.insert(engine.pool);
        }
        if let Input::Command { pool, verb: Verb::Drain { .. }, .. } = input {
            self.drained.insert(*pool);
        }
        match self.crashed.intersection(&self.drained).next() {
            Some(pool) => Err(Violation { invariant: "X99: the canary sings", detail: format!("{pool:?}") }),
            None => Ok(()),
        }
    }
}

/// On engines that die of nothing but what strikes them, and take TERM in time.
fn swarm() -> Swarm {
    // Engines that never die by themselves, so that it takes both.
    let mut options = Options::default();
    options.set("profile", "llama-server").expect("there is such a profile");
    Swarm { only: vec!["engine-crash", "operator-drain"], options, ..Swarm::default() }
}

fn under_the_canary(mut run: Run) -> (Option<Failure>, Plan) {
    run.add_oracle(Box::<Canary>::default());
    let failure = run.to_end().err();
    (failure, run.into_plan())
}

#[test]
fn two_strikes_that_only_fail_together_are_what_is_left() {
    let mut shrunk_some = 0;
    for seed in 0..20 {
        let (Some(failure), plan) = under_the_canary(Run::draw(seed, &swarm())) else { continue };
        assert_eq!(failure.invariant, "X99");
        let shrunk = shrink(&plan, |plan| under_the_canary(Run::of(plan.clone())).0).expect("it fails again");
        let names: Vec<&str> = shrunk.plan.strikes.iter().map(|strike| strike.fault.name()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["engine-crash", "operator-drain"], "seed {seed}: {}", shrunk.plan);
        assert_eq!(shrunk.plan.setup.pools.len(), 1, "seed {seed}: {}", shrunk.plan);
        assert_eq!(shrunk.failure.invariant, "X99");
        assert_eq!(shrunk.plan.check(), Ok(()));
        shrunk_some += 1;
    }
    assert!(shrunk_some >= 5, "{shrunk_some} of twenty seeds made the canary sing");
}

#[test]
fn a_plan_that_does_not_fail_is_not_shrunk() {
    let mut run = Run::draw(1, &swarm());
    assert!(run.to_end().is_ok());
    assert_eq!(shrink(&run.into_plan(), |plan| Run::of(plan.clone()).to_end().err()), None);
}

#[test]
fn another_failure_is_not_taken_for_the_same_one() {
    let (Some(failure), plan) = under_the_canary(Run::draw(first_failing(), &swarm())) else {
        unreachable!()
    };
    let strikes = plan.strikes.len();
    let shrunk = shrink(&plan, |smaller| {
        let invariant = if smaller.strikes.len() < strikes { "X98" } else { "X99" };
        Some(Failure { invariant: invariant.to_owned(), ..failure.clone() })
    });
    assert_eq!(shrunk.map(|shrunk| shrunk.plan.strikes.len()), Some(strikes));
}

fn first_failing() -> u64 {
    let fails = |seed: &u64| under_the_canary(Run::draw(*seed, &swarm())).0.is_some();
    (0..20).find(fails).expect("one of twenty seeds makes the canary sing")
}
