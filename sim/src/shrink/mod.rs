//! From a plan that fails to the smallest one that fails the same way: the same invariant, by name.
//!
//! ```text
//! cut what came after ─→ pools that nothing strikes ─→ ddmin over the strikes ─→ plain setup ─→ round times
//!          ↑──────────────────────── until nothing changes any more ────────────────────────────────┘
//! ```
//! Every step proposes plans, and keeps one only if it fails the same way when it is run. `poolsim` asks for it
//! before it prints any failure.

mod ddmin;
mod setup;
mod times;

use crate::plan::{Failure, Plan};

/// A plan and how it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// How it fails; the invariant is that of the plan it was made of.
    pub failure: Failure,
    /// Runs it took.
    pub runs: u32,
}

/// As many runs are spent at most: some seconds.
const MOST_RUNS: u32 = 2000;

/// The smallest plan found that fails as this one does; `None`: it does not fail.
///
/// `run` runs a plan: what broke, if anything did.
pub fn shrink(plan: &Plan, run: impl FnMut(&Plan) -> Option<Failure>) -> Option<Shrunk> {
    let mut run = run;
    let failure = run(plan)?;
    let mut search = Search { run, best: plan.clone(), failure, runs: 1 };
    loop {
        let before = search.best.clone();
        search.cut();
        search.drop_pools();
        search.drop_strikes();
        search.plain_setup();
        search.round_times();
        if search.best == before || search.is_spent() {
            let Search { best: plan, failure, runs, .. } = search;
            return Some(Shrunk { plan, failure, runs });
        }
    }
}

/// The best plan so far.
#[derive(Debug)]
struct Search<R> {
    run: R,
    best: Plan,
    failure: Failure,
    runs: u32,
}

impl<R: FnMut(&Plan) -> Option<Failure>> Search<R> {
    const fn is_spent(&self) -> bool {
        self.runs >= MOST_RUNS
    }

    /// Takes a plan for the best one if it fails the same way.
    fn take(&mut self, plan: Plan) -> bool {
        if plan == self.best || self.is_spent() || plan.check().is_err() {
            return false;
        }
        self.runs += 1;
        let failure = (self.run)(&plan).filter(|failure| failure.invariant == self.failure.invariant);
        let Some(failure) = failure else { return false };
        (self.best, self.failure) = (plan, failure);
        true
    }

    /// Leaves out what came after the failure.
    fn cut(&mut self) {
        let mut plan = self.best.clone();
        plan.strikes.retain(|strike| strike.at <= self.failure.at);
        let last = plan.strikes.last().map_or(plan.setup.lasts, |strike| strike.at);
        self.take(plan.clone());
        // What must come about is looked at when the run is over: let it be over soon.
        plan.setup.lasts = times::whole_seconds(self.failure.at.max(last).min(plan.setup.lasts));
        self.take(plan.clone());
        plan.setup.lasts = times::whole_seconds(last);
        self.take(plan);
    }
}

#[cfg(test)]
mod tests;
