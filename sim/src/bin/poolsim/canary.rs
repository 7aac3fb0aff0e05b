//! Canaries: hidden failures that are planted to prove that failures are reported. Without one a simulator that
//! never looks would seem to find nothing.

use std::collections::BTreeSet;

use clap::ValueEnum;
use pool_manager_core::{ExitStatus, Input, PoolUid, Verb};
use pool_manager_sim::plan::Run;
use pool_manager_sim::{Observed, Oracle, Violation};

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Canary {
    /// A safety invariant that many runs break.
    Safety,
    /// The same, as one of liveness.
    Liveness,
    /// The second run of a seed is another seed's.
    Determinism,
}

impl Canary {
    /// Plants it in a run.
    pub(super) fn plant(self, run: &mut Run) {
        let invariant = match self {
            Self::Safety => "X99: no pool is drained that has seen an engine die",
            Self::Liveness => "L99: no pool is drained that has seen an engine die",
            Self::Determinism => return,
        };
        run.add_oracle(Box::new(Sings { invariant, crashed: BTreeSet::new(), drained: BTreeSet::new() }));
    }
}

#[derive(Debug)]
struct Sings {
    invariant: &'static str,
    crashed: BTreeSet<PoolUid>,
    drained: BTreeSet<PoolUid>,
}

impl Oracle for Sings {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Exited { engine, status: ExitStatus::Signal(6 | 11) } = input {
            self.crashed.insert(engine.pool);
        }
        if let Input::Command { pool, verb: Verb::Drain { .. }, .. } = input {
            self.drained.insert(*pool);
        }
        match self.crashed.intersection(&self.drained).next() {
            Some(pool) => Err(Violation { invariant: self.invariant, detail: format!("pool {}", pool.0) }),
            None => Ok(()),
        }
    }
}
