//! One seed of a sweep.

use pool_manager_sim::draws;
use pool_manager_sim::plan::{Failure, Plan, Report, Run, Swarm};

use crate::canary::Canary;
use crate::failure;
use crate::guard::guarded;

/// How every seed is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct How<'a> {
    pub(super) swarm: &'a Swarm,
    pub(super) check: Check,
    pub(super) canary: Option<Canary>,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Once,
    /// And its plan once more.
    Twice,
}

/// What came of a seed.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) seed: u64,
    pub(super) result: Result<Report, Box<Failed>>,
    /// The first difference between two runs of it.
    pub(super) differs: Option<String>,
}

/// A seed that broke something.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) seed: u64,
    pub(super) failure: Failure,
    /// As it was drawn up to there.
    pub(super) plan: Plan,
}

impl How<'_> {
    pub(super) fn run(&self, seed: u64) -> Outcome {
        match self.check {
            Check::Once => {
                let (result, plan) = self.draw(seed);
                Outcome::new(seed, result, plan, None)
            }
            Check::Twice => self.run_twice(seed),
        }
    }

    fn run_twice(&self, seed: u64) -> Outcome {
        let again = if self.canary == Some(Canary::Determinism) { seed.wrapping_add(1) } else { seed };
        let ((result, plan), first) = draws::logged(|| self.draw(seed));
        let (_, second) = draws::logged(|| self.draw(again));
        let differs = draws::first_difference(&first, &second).or_else(|| {
            let replayed = failure::run(&plan, self.canary).map(|(report, _)| report.hash);
            let (Ok(drawn), Ok(replayed)) = (&result, &replayed) else { return None };
            let both = format!("the seed comes to hash {:016x}, its plan to {replayed:016x}", drawn.hash);
            (drawn.hash != *replayed).then_some(both)
        });
        Outcome::new(seed, result, plan, differs)
    }

    fn draw(&self, seed: u64) -> (Result<Report, Failure>, Plan) {
        let ran = guarded(|| {
            let mut run = Run::draw(seed, self.swarm);
            self.canary.iter().for_each(|canary| canary.plant(&mut run));
            let result = run.to_end();
            (result, run.into_plan())
        });
        ran.unwrap_or_else(|what| {
            let plan = Plan::calm(pool_manager_sim::plan::Setup::draw_with(seed, &self.swarm.options));
            (Err(failure::of_panic(what)), plan)
        })
    }
}

impl Outcome {
    fn new(seed: u64, result: Result<Report, Failure>, plan: Plan, differs: Option<String>) -> Self {
        let result = result.map_err(|failure| Box::new(Failed { seed, failure, plan }));
        Self { seed, result, differs }
    }

    /// The seed, and what it came to.
    pub(super) fn hash_line(&self) -> String {
        match &self.result {
            Ok(report) => format!("{} {:016x}\n", self.seed, report.hash),
            Err(failed) => {
                format!("{} {} at step {}\n", self.seed, failed.failure.invariant, failed.failure.step)
            }
        }
    }
}
