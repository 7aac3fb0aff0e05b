//! pool-managerd: keeps the engines of one GPU host alive. This file is its command line; the daemon
//! itself is `pool_manager::daemon`.

mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use pool_manager::config::{self, Config};
use pool_manager::demo;
use pool_manager::telemetry::LogFormat;

const EXAMPLES: &str = "\
Examples:
  pool-managerd run --demo                    two stub engines, without GPU or config
  pool-managerd config-reference > host.toml  a config with every key explained
  pool-managerd check --config host.toml      say what is wrong with it, start nothing
  pool-managerd run --config host.toml        supervise until SIGTERM or Ctrl-C

The first SIGTERM or Ctrl-C drains and stops every engine, a second one cuts and kills.
Exit status: 0 all engines stopped; 1 could not start, or an engine outlived KILL; 2 usage.";

/// Keeps LLM inference engines alive, and takes them out of service without dropping work
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong with a config; start nothing
    Check {
        /// The config file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print a config with every key explained
    ConfigReference,
    /// Supervise pools until SIGTERM or Ctrl-C
    Run(Run),
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    what: What,
    /// How log lines on stderr look
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Least level that is logged, or a list of target=level [default: info, with --demo warn]
    #[arg(long, value_name = "LEVEL", env = "POOL_MANAGER_LOG")]
    log: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The pools of this file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Two pools of stub engines
    #[arg(long)]
    demo: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == demo::ENGINE_WORD) {
        // The demo's engines are this program again.
        let engine = std::iter::once(demo::ENGINE_WORD.into()).chain(arguments);
        return pool_manager::stub_engine::main(engine, &[demo::ENGINE_WORD]);
    }
    match Cli::parse().command {
        Command::Check { config } => check(&config),
        Command::ConfigReference => {
            say(config::REFERENCE);
            ExitCode::SUCCESS
        }
        Command::Run(run) => run::run(&run),
    }
}

fn check(path: &std::path::Path) -> ExitCode {
    match Config::load(path) {
        Ok(config) => {
            for warning in &config.warnings {
                complain(warning);
            }
            say(&format!("{}: {} pools, no error\n", path.display(), config.pools.len()));
            ExitCode::SUCCESS
        }
        Err(errors) => {
            complain(&errors.to_string());
            ExitCode::FAILURE
        }
    }
}

/// To stdout; a reader that went away ends nothing but the output.
fn say(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// To stderr, a line each.
fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
