//! `poolsim`: the simulator on the command line. Sweeps seeds, replays plans and journals, shrinks failures.
//!
//! `main` parses and dispatches, one file a command; `failure` reports a broken invariant, `guard` keeps panics
//! quiet where they are expected. The library decides everything; only here are threads, files and real clocks.

mod canary;
mod catalogue;
mod explore;
mod failure;
mod guard;
mod host;
mod journal;
mod replay;
mod run;
mod seeds;
mod shrink;
mod story;
mod sweep;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Find out what a supervisor's policy does before production does.
///
/// A simulated host around the real decisions of pool-managerd: engines, clients, disks and operators are
/// simulated, time is virtual, and every fault is drawn from a seed. One seed, one run, to the byte.
#[derive(Debug, Parser)]
#[command(name = "poolsim", version = VERSION, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  poolsim sweep                                  a thousand hosts in bad weather, ten minutes each
  poolsim sweep --seeds 5000..6000 --set pools=8 other seeds, always eight pools
  poolsim sweep --only engine-crash --json       one kind of fault, figures for a program
  poolsim replay seed-42-S09.toml --trace        a failure again, step by step
  poolsim shrink seed-42-S09.toml                the smallest plan that fails the same way
  poolsim run --config host.toml --for 24h       a day of your own pools: how available are they?
  poolsim explore --pools 1 --leases 2 --faults 2  every state of a small world, not a sample
  poolsim families                               everything that may strike

Exit codes:
  0  nothing was broken
  1  bad input: what and where is on stderr
  2  a safety invariant was broken: something happened that never may
  3  a liveness invariant was broken: something did not happen that must
  4  not deterministic: two runs of one seed, or a journal and its replay, differ
  5  a coverage mark never fired: the sweep did not try what it should";

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("POOLSIM_COMMIT"), ")");

// One line a command, in the order of a first day with the simulator.
#[derive(Debug, Subcommand)]
enum Command {
    Sweep(sweep::Sweep),
    Replay(replay::Replay),
    Shrink(shrink::Shrink),
    Run(run::Run),
    Explore(explore::Explore),
    Families(catalogue::Families),
    Marks(catalogue::Marks),
}

/// What a command found, as an exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    BadInput,
    Unsafe,
    Stuck,
    NotDeterministic,
    Unseen,
}

impl Verdict {
    const fn exit_code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::BadInput => 1,
            Self::Unsafe => 2,
            Self::Stuck => 3,
            Self::NotDeterministic => 4,
            Self::Unseen => 5,
        }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is an answer, not a mistake. Where stdout or stderr is gone nobody reads it.
            let _ = error.print();
            let verdict = if error.use_stderr() { Verdict::BadInput } else { Verdict::Good };
            return ExitCode::from(verdict.exit_code());
        }
    };
    guard::install();
    let verdict = match &cli.command {
        Command::Sweep(sweep) => sweep::run(sweep),
        Command::Replay(replay) => replay::run(replay),
        Command::Shrink(shrink) => shrink::run(shrink),
        Command::Run(run) => run::run(run).map(|()| Verdict::Good),
        Command::Explore(explore) => explore::explore(explore),
        Command::Families(families) => catalogue::families(families),
        Command::Marks(marks) => catalogue::marks(marks),
    };
    let verdict = verdict.unwrap_or_else(|error| {
        eprintln!("poolsim: {error}");
        Verdict::BadInput
    });
    ExitCode::from(verdict.exit_code())
}

/// Prints an answer. A reader that went away, as `head` does, has seen enough.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
