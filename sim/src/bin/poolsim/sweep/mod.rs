//! `poolsim sweep`: many seeds, every oracle, and what came of it.
//!
//! `one` runs a seed, `workers` spreads seeds over threads and hands outcomes back in the order of seeds, `tally`
//! adds them up and prints them.

mod one;
mod tally;
mod workers;

use std::path::PathBuf;

use clap::Args;
use pool_manager_sim::plan::Swarm;

use crate::canary::Canary;
use crate::failure::Found;
use crate::host::Host;
use crate::seeds::Seeds;
use crate::{Verdict, say};
use one::{Check, Outcome};
use tally::Tally;

/// Run many seeds: a host, its pools and its weather are drawn from each.
///
/// After every step every safety invariant is asked; at the end nothing strikes any more, and what must come about
/// has to. The first failure ends the sweep: it is shrunk, printed, and its plan is written to a file.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  poolsim sweep --seeds 0..10000
  poolsim sweep --seeds 0..500 --set pools=8 --set latencies=overloaded
  poolsim sweep --only engine-crash,operator-drain --for 1h --keep-going
  poolsim sweep --seeds 42 --check-determinism
  poolsim sweep --json | jq .faults
What is printed depends on the seeds alone, not on --jobs; figures of speed excepted.")]
pub(super) struct Sweep {
    /// Which seeds: one as 7, several as 0..10000.
    #[arg(long, default_value = "0..1000", value_name = "SEEDS")]
    seeds: Seeds,
    /// Seeds that are run at once [default: one for each processor].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Goes on after a failure; only the first of each invariant is shrunk.
    #[arg(long)]
    keep_going: bool,
    /// Runs every seed twice and its plan once more, and compares every draw and every step.
    #[arg(long)]
    check_determinism: bool,
    /// Whether coverage marks that never fired are a failure [default: from 1000 seeds on, where everything is drawn
    /// and all of it may strike].
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    demand_marks: Option<bool>,
    /// Where the plans of failures are written.
    #[arg(long, value_name = "FOLDER", default_value = "poolsim-failures")]
    plans: PathBuf,
    /// One JSON object instead of a text.
    #[arg(long, conflicts_with = "hashes")]
    json: bool,
    /// Only a line for each seed: the seed, and the hash of everything that happened.
    #[arg(long)]
    hashes: bool,
    #[command(flatten)]
    host: Host,
    #[arg(long, hide = true)]
    canary: Option<Canary>,
}

/// With fewer, what is rare may not have happened.
const SEEDS_FOR_ALL_MARKS: u64 = 1000;

pub(super) fn run(args: &Sweep) -> Result<Verdict, String> {
    let swarm = args.host.swarm()?;
    let jobs = args.jobs.map_or_else(default_jobs, usize::from);
    let how = one::How { swarm: &swarm, check: check(args), canary: args.canary };
    let mut tally = Tally::begin(jobs);
    workers::in_order(args.seeds.0.clone(), jobs, &how, |outcome| {
        let fine = matches!(outcome, Outcome { result: Ok(_), differs: None, .. });
        if args.hashes {
            say(&outcome.hash_line());
        }
        tally.add(outcome);
        fine || args.keep_going
    });
    tally.stop_clock();
    let found = report(args, tally.failures())?;
    let different = tally.different();
    let many = args.seeds.0.end - args.seeds.0.start >= SEEDS_FOR_ALL_MARKS;
    let demanded = args.demand_marks.unwrap_or(many && swarm == Swarm::default());
    if !args.hashes {
        say(&if args.json { tally.json(&found) } else { tally.text(&found, demanded) });
    }
    Ok(match (different, found.first()) {
        (false, None) if demanded && !tally.unfired().is_empty() => Verdict::Unseen,
        (false, None) => Verdict::Good,
        (true, None) => Verdict::NotDeterministic,
        (_, Some(found)) => found.verdict(),
    })
}

/// Shrinks the first failure of each invariant and writes its plan.
fn report(args: &Sweep, failures: Vec<one::Failed>) -> Result<Vec<Found>, String> {
    let mut found: Vec<Found> = Vec::new();
    for one::Failed { seed, failure, plan } in failures {
        let is_known = found.iter().any(|found| found.failure.invariant == failure.invariant);
        let mut one = if is_known || args.hashes {
            Found::as_drawn(Some(seed), plan, failure, args.canary)
        } else {
            Found::shrink(Some(seed), plan, failure, args.canary)
        };
        one.write_into(&args.plans)?;
        found.push(one);
    }
    Ok(found)
}

const fn check(args: &Sweep) -> Check {
    if args.check_determinism { Check::Twice } else { Check::Once }
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
