//! `poolsim shrink`: the smallest plan that fails as a plan or a seed does.

use std::path::PathBuf;

use clap::Args;
use pool_manager_sim::plan::Run;

use crate::canary::Canary;
use crate::failure::{self, Found};
use crate::guard::guarded;
use crate::host::Host;
use crate::{Verdict, replay, say};

/// Make the smallest plan that fails the same way.
///
/// Leaves out strikes and pools, makes the rest of the host plain and times round, as long as the same invariant
/// is broken.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  poolsim shrink production-like.toml --out small.toml
  poolsim shrink --seed 4711 --set pools=8
The exit code is that of the failure, 2 or 3; 0: nothing is broken, so there is nothing to shrink.")]
pub(super) struct Shrink {
    /// The plan.
    #[arg(value_name = "PLAN", required_unless_present = "seed", conflicts_with = "seed")]
    plan: Option<PathBuf>,
    /// The run of a seed instead of a plan.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the smaller plan is written [default: beside the plan, or as seed-N-INVARIANT.toml].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// One JSON object instead of a text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
    #[arg(long, hide = true)]
    canary: Option<Canary>,
}

pub(super) fn run(args: &Shrink) -> Result<Verdict, String> {
    let (plan, failure) = match (&args.plan, args.seed) {
        (Some(path), _) => {
            let plan = replay::read_plan(path)?;
            let failure = failure::fails(&plan, args.canary);
            (plan, failure)
        }
        (None, seed) => drawn(args, seed.unwrap_or_default())?,
    };
    let Some(failure) = failure else {
        say(if args.json {
            "{\"broken\":null}\n"
        } else {
            "nothing is broken: there is nothing to shrink\n"
        });
        return Ok(Verdict::Good);
    };
    let before = plan.strikes.len();
    let mut found = Found::shrink(args.seed, plan, failure, args.canary);
    let beside = args.plan.as_ref().map(|plan| plan.with_extension("min.toml"));
    match args.out.clone().or(beside) {
        Some(file) => found.write_to(file)?,
        None => found.write_into(std::path::Path::new("."))?,
    }
    if args.json {
        say(&format!("{}\n", serde_json::json!({"broken": found.json(), "strikes_before": before})));
    } else {
        say(&found.text());
    }
    Ok(found.verdict())
}

type Failed = (pool_manager_sim::plan::Plan, Option<pool_manager_sim::plan::Failure>);

fn drawn(args: &Shrink, seed: u64) -> Result<Failed, String> {
    let swarm = args.host.swarm()?;
    guarded(|| {
        let mut run = Run::draw(seed, &swarm);
        args.canary.iter().for_each(|canary| canary.plant(&mut run));
        let failure = run.to_end().err();
        (run.into_plan(), failure)
    })
}
