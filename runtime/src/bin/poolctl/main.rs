//! `poolctl`: the operator's hand on a running pool-managerd. Every command is one or two requests to
//! its control API; nothing is decided here.
//!
//! `main` parses and dispatches; `client` speaks HTTP; `text` and `pool_manager::table` make what is printed;
//! `operation` waits and shows progress; `events` follows the stream.

mod client;
mod events;
mod operation;
mod text;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use pool_manager::control::{HealthReport, LeaseEnded, LeaseList, PoolList, PoolStatus, Why};
use pool_manager::table;
use pool_manager_core::{LeaseId, PoolName};
use serde::Serialize;
use serde_json::{Value, json};

use client::{Client, Failure};

/// Look after the inference engines of a host.
#[derive(Debug, Parser)]
#[command(name = "poolctl", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// Where pool-managerd listens.
    #[arg(long, global = true, env = "POOL_MANAGER_URL", default_value = "http://127.0.0.1:7070")]
    url: String,
    /// A file with the token to send, when the daemon asks for one.
    #[arg(long, global = true, value_name = "FILE", env = "POOL_MANAGER_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Print the API's own JSON documents.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  poolctl status                              all pools
  poolctl why llama                           why it is as it is, what comes next, what helps
  poolctl drain llama --deadline 30s --wait   take it out of service without dropping work
  poolctl undrain llama                       change your mind before the engine was told to end
  poolctl reload llama --model /m/new --wait  another model, or the old one back if it fails
  poolctl reload llama --back --wait          the model before the last reload
  poolctl leases llama                        who is using it
  poolctl events --json | jq .text            follow what happens

Exit codes:
  0  done as asked (without --wait: begun)
  1  refused, or it ended otherwise than asked (a drain that had to cut leases, a failed start,
     a reload that was rolled back)
  2  wrong usage
  3  pool-managerd cannot be reached
  4  not authorised: no token, a wrong one, or one that may only look";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show all pools, or everything about one.
    Status {
        #[arg(value_parser = PoolName::new)]
        pool: Option<PoolName>,
    },
    /// Say why a pool is as it is, what happens next and when, and what can be done.
    Why {
        #[arg(value_parser = PoolName::new)]
        pool: PoolName,
    },
    /// Start a pool's engine.
    Preload(Target),
    /// Take a pool out of service: no new work, wait for what is in flight, stop.
    Drain {
        #[command(flatten)]
        target: Target,
        /// Longest wait before what is left is cut, such as 30s or 5m [default: the pool's own].
        #[arg(long, value_parser = span)]
        deadline: Option<Duration>,
    },
    /// Take a drain back; the pool serves again. Possible until the engine was told to end.
    Undrain {
        #[arg(value_parser = PoolName::new)]
        pool: PoolName,
    },
    /// Cut what is in flight and stop the engine now.
    Stop(Target),
    /// Drain, then start afresh. Given up when the drain's deadline passes.
    Restart(Target),
    /// Put another model in the place of the one that serves, or leave everything as it was.
    Reload(Reload),
    /// Let the next automatic restart pass backoff, window and circuits, once; one that waits comes now.
    AllowRestart {
        #[arg(value_parser = PoolName::new)]
        pool: PoolName,
    },
    /// Close both circuits and forget the failures.
    ResetBreaker {
        #[arg(value_parser = PoolName::new)]
        pool: PoolName,
    },
    /// Show the leases of a pool, or end one.
    Leases(Leases),
    /// Print the last lines of a pool's newest log.
    Logs {
        #[arg(value_parser = PoolName::new)]
        pool: PoolName,
        /// How many lines.
        #[arg(long, default_value_t = 100)]
        tail: usize,
    },
    /// Follow what happens, until interrupted. Goes on where it was after a lost connection.
    Events {
        /// Only events of this pool.
        #[arg(long, value_parser = PoolName::new)]
        pool: Option<PoolName>,
        /// Begin behind this event (the id of an earlier one).
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Show how the daemon itself is.
    Health,
    /// Print a completion script for a shell.
    Completions { shell: Shell },
}

#[derive(Debug, Args)]
struct Target {
    /// The pool.
    #[arg(value_parser = PoolName::new)]
    pool: PoolName,
    /// Wait until it is done, and let the exit code say how it ended. Interrupting the wait does
    /// not interrupt the operation.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
struct Reload {
    #[command(flatten)]
    target: Target,
    /// The model to serve: a path, or a name the engine resolves.
    #[arg(long, required_unless_present = "back", conflicts_with = "back")]
    model: Option<String>,
    /// Go back to the model before the last reload.
    #[arg(long)]
    back: bool,
    /// Reload also when this model serves already.
    #[arg(long)]
    force: bool,
    /// Longest drain, such as 30s or 5m [default: the pool's own].
    #[arg(long, value_parser = span)]
    deadline: Option<Duration>,
    /// What becomes of it when leases outlast the drain [default: the pool's own].
    #[arg(long, value_enum)]
    on_drain_timeout: Option<OnDrainTimeout>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnDrainTimeout {
    /// The reload is given up and the old model serves on.
    Abort,
    /// The leases are cut.
    Force,
}

impl Reload {
    /// As the control API wants it.
    fn body(&self) -> Value {
        let on_drain_timeout = self.on_drain_timeout.map(|choice| match choice {
            OnDrainTimeout::Abort => "abort",
            OnDrainTimeout::Force => "force",
        });
        json!({
            "model": self.model,
            "back": self.back,
            "force": self.force,
            "deadline": self.deadline.map(|span| span.as_secs_f64()),
            "on_drain_timeout": on_drain_timeout,
        })
    }
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Leases {
    /// The pool.
    #[arg(required = true, value_parser = PoolName::new)]
    pool: Option<PoolName>,
    #[command(subcommand)]
    command: Option<LeaseCommand>,
}

#[derive(Debug, Subcommand)]
enum LeaseCommand {
    /// End a lease, as its holder would when the work is done.
    End {
        /// As shown by `poolctl leases POOL`.
        id: LeaseId,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { url, token_file, json, command } = cli;
    if let Command::Completions { shell } = command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "poolctl", &mut script);
        return print(&String::from_utf8_lossy(&script));
    }
    let client = Client::new(&url, token_file.as_deref())?;
    match command {
        Command::Status { pool: None } => show(json, &client.get::<PoolList>("/v1/pools")?, table::pools),
        Command::Status { pool: Some(pool) } => {
            show(json, &client.get::<PoolStatus>(&format!("/v1/pools/{pool}"))?, text::pool)
        }
        Command::Why { pool } => show(json, &client.get::<Why>(&format!("/v1/pools/{pool}/why"))?, text::why),
        Command::Preload(target) => operation::run(&client, json, "preload", &target, &json!({})),
        Command::Drain { target, deadline } => {
            let body = json!({"deadline": deadline.map(|span| span.as_secs_f64())});
            operation::run(&client, json, "drain", &target, &body)
        }
        Command::Reload(reload) => operation::run(&client, json, "reload", &reload.target, &reload.body()),
        Command::Undrain { pool } => {
            operation::run(&client, json, "undrain", &Target { pool, wait: true }, &json!({}))
        }
        Command::Stop(target) => operation::run(&client, json, "stop", &target, &json!({})),
        Command::Restart(target) => operation::run(&client, json, "restart", &target, &json!({})),
        Command::AllowRestart { pool } => {
            let after: PoolStatus = client.post(&format!("/v1/pools/{pool}/allow-restart"), &json!({}))?;
            show(json, &after, text::restart_allowed)
        }
        Command::ResetBreaker { pool } => {
            let after: PoolStatus = client.post(&format!("/v1/pools/{pool}/reset-breaker"), &json!({}))?;
            show(json, &after, text::breaker_reset)
        }
        Command::Leases(Leases { command: Some(LeaseCommand::End { id }), .. }) => {
            show(json, &client.delete::<LeaseEnded>(&format!("/v1/leases/{id}"))?, text::lease_ended)
        }
        Command::Leases(Leases { pool: Some(pool), command: None }) => {
            show(json, &client.get::<LeaseList>(&format!("/v1/pools/{pool}/leases"))?, table::leases)
        }
        Command::Leases(Leases { pool: None, command: None }) => {
            Err(Failure::Usage("name a pool: poolctl leases POOL".to_owned()))
        }
        Command::Logs { pool, tail } => {
            let log = client.text(&format!("/v1/pools/{pool}/logs?tail={tail}"))?;
            if json { show(true, &log, String::clone) } else { print(&log) }
        }
        Command::Events { pool, after } => events::follow(&client, json, pool.as_ref(), after),
        Command::Health => show(json, &client.get::<HealthReport>("/health")?, text::health),
        Command::Completions { .. } => Ok(()),
    }
}

/// Prints a document, as itself or in words.
fn show<T: Serialize>(json: bool, document: &T, words: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    if json {
        // What was read from JSON can be written as JSON.
        print(&format!("{}\n", serde_json::to_string_pretty(document).unwrap_or_default()))
    } else {
        print(&words(document))
    }
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::EnoughSeen),
        Err(error) => Err(Failure::Ended(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// A span as people write it; a plain number counts seconds.
fn span(text: &str) -> Result<Duration, String> {
    if let Some(span) = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        return Ok(span);
    }
    humantime::parse_duration(text)
        .map_err(|_| "write a span such as 30s or 5m, or a number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn leases_takes_a_pool_or_ends_a_lease() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("poolctl leases llama").is_ok());
        assert!(parse("poolctl leases end 1-1-1-1").is_ok());
        for wrong in ["poolctl leases", "poolctl leases end", "poolctl leases end x", "poolctl why a/b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn deadlines_read_as_people_write_them() {
        assert_eq!(span("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["-1", "abc", "NaN", "inf", ""] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
