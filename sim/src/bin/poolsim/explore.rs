//! `poolsim explore`: every state that a small world can get into. The library searches; this file has the clock, the
//! progress on the terminal, and the words.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pool_manager_sim::explore::{self, Counterexample, Failure, Mark, Progress, Step, Summary, World};
use serde_json::{Value, json};

use crate::{Verdict, say};

/// Try everything that can happen in a small world.
#[derive(Args, Debug)]
#[command(after_help = "\
Not a sample: every order in which answers, exits, deadlines, clients, faults and commands can meet, within the
bounds given, around the real decisions of pool-managerd. Policies are fixed, with short spans, so that the
states are few. What is found comes with the way to it that takes fewest faults and commands, then fewest steps.

Each more fault or command takes several times the states. These take less than a minute:
  poolsim explore --pools 1 --leases 2 --faults 3
  poolsim explore --pools 2 --leases 1 --faults 2
  poolsim explore --pools 1 --leases 2 --faults 1 --acts 1")]
pub(super) struct Explore {
    /// Pools; they share a GPU and one place to load in.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(World::MOST_POOLS)))]
    pools: u8,
    /// Leases that the clients of a pool hold or wait for at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=4))]
    leases: u8,
    /// How many things may go wrong.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=15))]
    faults: u8,
    /// How many commands an operator may give [default: 1 with one pool and one fault, otherwise 0].
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=14))]
    acts: Option<u8>,
    /// Give up when there are more states than this; a million takes about a gigabyte.
    #[arg(long, default_value_t = 6_000_000, value_name = "STATES")]
    most_states: u32,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn explore(args: &Explore) -> Result<Verdict, String> {
    let Explore { pools, leases, faults, acts, most_states, json } = *args;
    let acts = acts.unwrap_or(u8::from(pools <= 1 && faults <= 1));
    let world = World { pools, leases, faults, acts, most_states, ..World::default() };
    let begun = Instant::now();
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let found = explore::run(&world, &mut |progress| {
        bar.set_message(message(progress));
        bar.tick();
    });
    bar.finish_and_clear();
    let took = begun.elapsed();
    match found {
        Ok(summary) => {
            say(&if json { line(&good_as_json(&summary, took)) } else { good(&summary, took) });
            Ok(Verdict::Good)
        }
        Err(Failure::Broken(example)) => Ok(bad(&example, Verdict::Unsafe, json)),
        Err(Failure::NeverSettles(example)) => Ok(bad(&example, Verdict::Stuck, json)),
        Err(failure @ Failure::TooLarge { .. }) => Err(failure.to_string()),
        Err(Failure::Unseen(marks)) => {
            let labels = labels(&marks);
            say(&if json {
                line(&json!({"unseen": labels}))
            } else {
                format!("never seen: {}\n", labels.join(", "))
            });
            Ok(Verdict::Unseen)
        }
    }
}

fn message(Progress { states, transitions, waiting, spent }: Progress) -> String {
    format!(
        "{states} states, {transitions} transitions, {waiting} waiting; {spent} faults and commands spent"
    )
}

fn good(summary: &Summary, took: Duration) -> String {
    let Summary { states, transitions, expansions, depth, settled, waiting_bytes, marks } = summary;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{states} states, {transitions} transitions in {:.1} s", took.as_secs_f64());
    let _ = writeln!(
        text,
        "  {expansions} expansions, {depth} steps at most, {} MiB waiting at most",
        waiting_bytes >> 20
    );
    let _ = writeln!(text, "  {settled} states are settled, and each of the others can settle");
    let _ = writeln!(text, "  seen, as must be: {}", labels(marks).join(", "));
    let _ = writeln!(text, "nothing was broken");
    text
}

fn good_as_json(summary: &Summary, took: Duration) -> Value {
    let Summary { states, transitions, expansions, depth, settled, waiting_bytes, marks } = summary;
    json!({
        "states": states,
        "transitions": transitions,
        "seconds": took.as_secs_f64(),
        "expansions": expansions,
        "depth": depth,
        "settled": settled,
        "waiting_bytes": waiting_bytes,
        "seen": labels(marks),
    })
}

fn labels(marks: &[Mark]) -> Vec<&'static str> {
    marks.iter().map(|mark| mark.label()).collect()
}

fn bad(example: &Counterexample, verdict: Verdict, json: bool) -> Verdict {
    if json {
        let steps = example
            .steps
            .iter()
            .map(|Step { at, what, input }| json!({"at_nanos": at, "what": what, "input": input}));
        say(&line(&json!({
            "invariant": example.violation.invariant,
            "detail": example.violation.detail,
            "steps": steps.collect::<Value>(),
        })));
    } else {
        let inputs = example.inputs_as_json();
        say(&format!("{example}\nas inputs of the core, each with its time in nanoseconds:\n{inputs}"));
    }
    verdict
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
