//! The command line, and the small languages of its values. Used by every other file, through
//! [`Engine`](crate::stub_engine::engine::Engine).

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use nix::sys::signal::Signal;

const ABOUT: &str = "A small inference engine that serves HTTP like a real one and misbehaves on request";

const MANUAL: &str = "\
Without switches it is a good engine: it loads at once, answers GET /health, /v1/models, /slots, \
/metrics and POST /v1/completions, /v1/chat/completions (with \"stream\" and \"max_tokens\"), writes its log to \
stderr, and ends with status 0 on TERM, cutting what is in flight; a second TERM gives status 1. \
On stdout it says only `listening on HOST:PORT` and, for each child, `child PID`.

--at MOMENT=ACTION makes it misbehave; give it as often as needed.

Moments:
  start, start+2s    since the process began
  ready, ready+2s    since the model was loaded
  term, term+2s      since the first TERM (or INT)
  request:3          when the 3rd generation request arrives
  token:5            when the 5th token was sent, over all requests

Actions:
  exit:3             end at once with this status
  signal:SEGV        end by (or, with STOP, be stopped by) this signal
  health:hang        /health accepts and never answers
  health:500         /health answers this status
  health:flap/1s     /health changes between 200 and 500 every second
  health:ok          /health tells the truth again (503 while loading, then 200)
  generation:hang    requests stop making progress while /health stays as it is
  generation:ok      and go on
  log:TEXT           write this line to stderr
  log-open:TEXT      write this without a line end
  flood:100000       write that many lines, as fast as they are taken
  binary:4096        write that many bytes that are no text, without a line end
  grow:64            from now on take (and touch) 64 MiB more every second

Examples:
  stub-engine --load-time 3s --at start+1s=exit:1
  stub-engine --at 'ready+2s=log:CUDA error: an illegal memory access was encountered' --at ready+2s=signal:ABRT
  stub-engine --at ready+5s=generation:hang
  stub-engine --children 2 --children-setsid --children-ignore-term --at ready+1s=signal:KILL";

/// What the engine is and does.
#[derive(Debug, Parser)]
#[command(about = ABOUT, after_help = MANUAL)]
pub(crate) struct Arguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,

    /// Port to listen on; 0: a free one, said on stdout
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,

    /// Share the port with whoever else asks to share it, as llama-server does
    #[arg(long)]
    pub(crate) reuse_port: bool,

    /// When the port opens: llama-server opens it early, vLLM when the model is loaded
    #[arg(long, value_enum, default_value_t = OpenPort::Early)]
    pub(crate) open_port: OpenPort,

    /// Name in /v1/models and in answers
    #[arg(long, default_value = "stub")]
    pub(crate) model: String,

    /// Requests served at once; more of them wait
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) slots: u32,

    /// Time from start to ready
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) load_time: Duration,

    /// Load for ever
    #[arg(long)]
    pub(crate) never_ready: bool,

    /// Time between tokens
    #[arg(long, default_value = "10ms", value_parser = humantime::parse_duration)]
    pub(crate) token_interval: Duration,

    /// Go on after TERM and INT as if nothing had come
    #[arg(long, conflicts_with = "exit_delay")]
    pub(crate) ignore_term: bool,

    /// Time from TERM to the exit, in which requests go on
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) exit_delay: Duration,

    /// Start that many child processes, which sleep and outlive this one
    #[arg(long, default_value_t = 0)]
    pub(crate) children: u32,

    /// Each child leaves the session and process group
    #[arg(long)]
    pub(crate) children_setsid: bool,

    /// Each child ignores TERM
    #[arg(long)]
    pub(crate) children_ignore_term: bool,

    /// Misbehave at a moment; see below
    #[arg(long = "at", value_name = "MOMENT=ACTION")]
    pub(crate) plan: Vec<Step>,

    /// Be such a child
    #[arg(long, hide = true)]
    pub(crate) child_sleeper: bool,
}

/// When the port opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpenPort {
    /// At once; answers are 503 while loading
    Early,
    /// Refused while loading
    WhenLoaded,
}

/// One `--at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) moment: Moment,
    pub(crate) action: Action,
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    After(Milestone, Duration),
    Request(u64),
    Token(u64),
}

/// What a time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Milestone {
    Start,
    Ready,
    Term,
}

/// What happens then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Exit(u8),
    Signal(Signal),
    Health(HealthMode),
    GenerationHangs(bool),
    Log(String),
    LogOpen(String),
    Flood { lines: u64 },
    Binary { bytes: usize },
    Grow { mib_per_second: usize },
}

/// How /health answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthMode {
    Truth,
    Hang,
    Status(u16),
    Flap { period: Duration },
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (moment, action) = text
            .split_once('=')
            .ok_or_else(|| format!("'{text}' has no '='; write MOMENT=ACTION, such as ready+2s=exit:1"))?;
        Ok(Self { moment: moment.parse()?, action: action.parse()? })
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((what, count)) = text.split_once(':') {
            let count = number(count)?;
            return match what {
                "request" if count > 0 => Ok(Self::Request(count)),
                "token" if count > 0 => Ok(Self::Token(count)),
                _ => Err(unknown_moment(text)),
            };
        }
        let (milestone, delay) = match text.split_once('+') {
            Some((milestone, delay)) => (milestone, duration(delay)?),
            None => (text, Duration::ZERO),
        };
        let milestone = match milestone {
            "start" => Milestone::Start,
            "ready" => Milestone::Ready,
            "term" => Milestone::Term,
            _ => return Err(unknown_moment(text)),
        };
        Ok(Self::After(milestone, delay))
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (verb, value) = text.split_once(':').unwrap_or((text, ""));
        match verb {
            "exit" => Ok(Self::Exit(number(value)?)),
            "signal" => signal(value).map(Self::Signal),
            "health" => value.parse().map(Self::Health),
            "generation" if value == "hang" => Ok(Self::GenerationHangs(true)),
            "generation" if value == "ok" => Ok(Self::GenerationHangs(false)),
            "log" => Ok(Self::Log(value.to_owned())),
            "log-open" => Ok(Self::LogOpen(value.to_owned())),
            "flood" => Ok(Self::Flood { lines: number(value)? }),
            "binary" => Ok(Self::Binary { bytes: number(value)? }),
            "grow" => Ok(Self::Grow { mib_per_second: number(value)? }),
            _ => Err(format!("no action '{text}'; --help lists them, such as exit:1 or health:hang")),
        }
    }
}

impl FromStr for HealthMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ok" => Ok(Self::Truth),
            "hang" => Ok(Self::Hang),
            _ => match text.strip_prefix("flap/") {
                Some(period) => Ok(Self::Flap { period: duration(period)? }),
                None => match number(text)? {
                    status @ 200..=599 => Ok(Self::Status(status)),
                    status => Err(format!("health:{status}: the status must be 200 to 599")),
                },
            },
        }
    }
}

fn unknown_moment(text: &str) -> String {
    format!("no moment '{text}'; write start+2s, ready+2s, term+2s, request:3 or token:5")
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number that fits here"))
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("'{text}' is not a duration such as 2s: {error}"))
}

fn signal(name: &str) -> Result<Signal, String> {
    let full = if name.starts_with("SIG") { name.to_owned() } else { format!("SIG{name}") };
    full.parse().map_err(|_| format!("no signal '{name}'; write its name, such as SEGV"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Step {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn steps_read_as_the_manual_says() {
        let second = Duration::from_secs(1);
        let cases = [
            ("start=exit:3", Moment::After(Milestone::Start, Duration::ZERO), Action::Exit(3)),
            (
                "ready+1s=signal:SEGV",
                Moment::After(Milestone::Ready, second),
                Action::Signal(Signal::SIGSEGV),
            ),
            (
                "term+1s=signal:SIGKILL",
                Moment::After(Milestone::Term, second),
                Action::Signal(Signal::SIGKILL),
            ),
            ("request:3=health:hang", Moment::Request(3), Action::Health(HealthMode::Hang)),
            ("token:5=health:500", Moment::Token(5), Action::Health(HealthMode::Status(500))),
            (
                "start=log:a=b: c",
                Moment::After(Milestone::Start, Duration::ZERO),
                Action::Log("a=b: c".into()),
            ),
        ];
        for (text, moment, action) in cases {
            assert_eq!(step(text), Step { moment, action }, "{text}");
        }
        let flap = Action::Health(HealthMode::Flap { period: second });
        assert_eq!(step("start=health:flap/1s").action, flap);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("exit:3", "has no '='"),
            ("later=exit:3", "no moment 'later'"),
            ("request:0=exit:3", "no moment 'request:0'"),
            ("start=exit:256", "'256' is not a number"),
            ("start=jump", "no action 'jump'"),
            ("start=signal:NOPE", "no signal 'NOPE'"),
            ("start=health:99", "must be 200 to 599"),
            ("start+2x=exit:1", "'2x' is not a duration"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Step>().expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
