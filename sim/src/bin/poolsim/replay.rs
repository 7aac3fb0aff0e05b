//! `poolsim replay`: a plan, or a journal that a supervisor wrote, once more.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use pool_manager_sim::plan::{Plan, Report, Run};
use serde_json::json;

use crate::canary::Canary;
use crate::failure::{self, Found};
use crate::guard::guarded;
use crate::{Verdict, journal, say, story};

/// Run a plan again, or the inputs a journal recorded.
///
/// A plan is run under every oracle. A journal's inputs go through this version's core once more, and every effect
/// is compared with what was recorded, by hash.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  poolsim replay sim/regressions/spawn-after-deregister.toml
  poolsim replay seed-42-S09.toml --trace
  poolsim replay /var/lib/pool-manager/journal/1-7.journal --trace
A plan is a text: take a strike out, move it, change its numbers, and replay it again.")]
pub(super) struct Replay {
    /// The plan (TOML), or the journal.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tells what happened, event by event; of a journal, every input and effect.
    #[arg(long)]
    trace: bool,
    /// One JSON object instead of a text.
    #[arg(long)]
    json: bool,
    #[arg(long, hide = true)]
    canary: Option<Canary>,
}

pub(super) fn run(args: &Replay) -> Result<Verdict, String> {
    let bytes = read(&args.file)?;
    if journal::is_one(&args.file, &bytes) {
        return journal::replay(&args.file, &bytes, args.trace, args.json);
    }
    let plan = parse(&args.file, &bytes)?;
    let ran = guarded(|| {
        let mut run = Run::of(plan.clone());
        args.canary.iter().for_each(|canary| canary.plant(&mut run));
        if args.trace {
            run.watch();
        }
        let result = run.to_end();
        (result, if args.trace { story::of(&run, &plan) } else { String::new() })
    });
    let (result, story) = ran.unwrap_or_else(|what| (Err(failure::of_panic(what)), String::new()));
    match result {
        Ok(report) => {
            say(&if args.json { good_json(&plan, &report) } else { story + &good_text(&plan, &report) });
            Ok(Verdict::Good)
        }
        Err(failure) => {
            let found = Found::as_drawn(None, plan, failure, args.canary);
            say(&if args.json {
                format!("{}\n", json!({"broken": found.json()}))
            } else {
                story + &found.text()
            });
            Ok(found.verdict())
        }
    }
}

/// Reads a plan.
pub(super) fn read_plan(path: &Path) -> Result<Plan, String> {
    parse(path, &read(path)?)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Plan, String> {
    let name = path.display();
    let text = str::from_utf8(bytes).map_err(|_| {
        format!("{name}: neither a plan (TOML) nor a journal of pool-managerd; name another file")
    })?;
    Plan::parse(text).map_err(|error| match error.at {
        Some((line, column)) => format!("{name}:{line}:{column}: {}", error.said()),
        None => format!("{name}: {}", error.said()),
    })
}

fn good_text(plan: &Plan, report: &Report) -> String {
    let (pools, strikes) = (plan.setup.pools.len(), plan.strikes.len());
    format!(
        "nothing is broken: {pools} pools, {strikes} strikes, {} steps, {} simulated, hash {:016x}\n",
        report.steps,
        humantime::format_duration(report.simulated),
        report.hash,
    )
}

fn good_json(plan: &Plan, report: &Report) -> String {
    let said = json!({
        "broken": null,
        "pools": plan.setup.pools.len(),
        "strikes": plan.strikes.len(),
        "steps": report.steps,
        "simulated_seconds": report.simulated.as_secs_f64(),
        "hash": format!("{:016x}", report.hash),
    });
    format!("{said}\n")
}
