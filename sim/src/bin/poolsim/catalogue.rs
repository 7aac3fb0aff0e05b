//! `poolsim families` and `poolsim marks`: what may strike, and what a sweep must have seen; for people or for a program.

use clap::Args;
use comfy_table::{Table, presets};
use pool_manager_sim::fault::FAMILIES;
use pool_manager_sim::marks::Mark;
use serde_json::json;

use crate::{Verdict, say};

/// List everything that may strike.
#[derive(Args, Debug)]
#[command(after_help = "\
A family is switched on or off for each seed; `sweep --only` and `--without` decide it for all of them.
EVERY is how often it strikes on average where it is on; where a pool drains, stops or reloads, ten times
as often.")]
pub(super) struct Families {
    /// One JSON list instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn families(args: &Families) -> Result<Verdict, String> {
    let span = |span| humantime::format_duration(span).to_string();
    if args.json {
        let families = FAMILIES.iter().map(|family| {
            let (every, quiet) = (span(family.every), span(family.quiet));
            json!({"name": family.name, "means": family.means, "every": every, "quiet": quiet})
        });
        say(&format!("{}\n", families.collect::<serde_json::Value>()));
        return Ok(Verdict::Good);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["FAMILY", "MEANS", "EVERY", "AT LEAST APART"]);
    for family in FAMILIES {
        table.add_row([
            family.name.to_owned(),
            family.means.to_owned(),
            span(family.every),
            span(family.quiet),
        ]);
    }
    say(&format!("{table}\n"));
    Ok(Verdict::Good)
}

/// List every coverage mark: what must happen at least once in a large sweep.
#[derive(Args, Debug)]
#[command(after_help = "\
A name is room:word, or room:word/word where two things meet: phase:draining/exited fires when an engine that
drains ends.")]
pub(super) struct Marks {
    /// One JSON list instead of lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn marks(args: &Marks) -> Result<Verdict, String> {
    let names: Vec<String> = Mark::all().map(|mark| mark.to_string()).collect();
    let said = if args.json { json!(names).to_string() } else { names.join("\n") };
    say(&format!("{said}\n"));
    Ok(Verdict::Good)
}
