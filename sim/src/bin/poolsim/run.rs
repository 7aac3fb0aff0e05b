//! `poolsim run`: the operator's own config in the simulated host, and what a person wants to know of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use comfy_table::{Cell, CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pool_manager::config::Config;
use pool_manager_core::Time;
use pool_manager_sim::fault::FAMILIES;
use pool_manager_sim::profile::Profile;
use pool_manager_sim::rehearsal::{Outcome, PoolOutcome, Rehearsal, State, picture, timeline};

/// Simulate your own host: how available would these pools be, and what would bring them down?
///
/// Reads the same file as pool-managerd. Engines are simulated; programs and models named in the file need not be
/// on this machine. Hours pass in seconds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  poolsim run --config host.toml --seed 1 --for 24h
      A day in the usual weather: now and then an engine crashes.
  poolsim run --config host.toml --seed 1 --for 7d --fault engine-crash=6h --svg week.svg
      A week in which one engine of the host crashes every six hours, as a picture too.
  poolsim run --config host.toml --seed 1 --engine chat=flapper
      What the policy of pool chat makes of a broken model.
`poolsim families` lists what may strike.")]
pub(super) struct Run {
    /// The config file of pool-managerd.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// One seed, one run: the same seed gives the same answer.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long, on the virtual clock: 90m, 24h, 7d.
    #[arg(long = "for", value_name = "SPAN", default_value = "24h", value_parser = span)]
    lasts: Duration,
    /// A fault and how often it strikes the host on average, as in engine-crash=6h. May be given several times; the
    /// first one replaces the usual weather, which is engine-crash=8h. `none` is none at all.
    #[arg(long = "fault", value_name = "FAMILY=SPAN", value_parser = fault)]
    faults: Vec<Option<(&'static str, Duration)>>,
    /// A pool and how its engines behave, as in chat=flapper; otherwise the engine's name in the file says it.
    #[arg(long = "engine", value_name = "POOL=PROFILE", value_parser = engine)]
    engines: Vec<(String, Profile)>,
    /// Between two asks for a lease in each pool, at most; 0s: nobody asks.
    #[arg(long, value_name = "SPAN", default_value = "20s", value_parser = span)]
    asks_every: Duration,
    /// How long a lease is held, at most.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    work: Duration,
    /// Writes the timeline as a picture.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Prints every step of the last instants as well.
    #[arg(long)]
    trace: bool,
    /// One JSON object instead of a table and a timeline.
    #[arg(long)]
    json: bool,
}

/// Runs the rehearsal; an error is what stands in the way, in a line or more.
pub(super) fn run(args: &Run) -> Result<(), String> {
    let config = read(&args.config)?;
    let usual = [Some(("engine-crash", Duration::from_secs(8 * 3600)))];
    let faults = if args.faults.is_empty() { &usual[..] } else { &args.faults };
    let rehearsal = Rehearsal {
        config: &config,
        seed: args.seed,
        lasts: args.lasts,
        profiles: args.engines.iter().cloned().collect::<BTreeMap<_, _>>(),
        asks_every: args.asks_every,
        work: args.work,
        faults: faults.iter().flatten().copied().collect(),
    };
    let bar = progress(args.lasts);
    let ran = rehearsal.run(|world| bar.set_position(world.now().since(Time::ZERO).as_secs()));
    bar.finish_and_clear();
    let (outcome, world) = ran.map_err(|error| format!("{}: {error}", args.config.display()))?;
    if let Some(path) = &args.svg {
        fs::write(path, picture::svg(&outcome))
            .map_err(|error| format!("{}: cannot be written: {error}", path.display()))?;
    }
    let said = if args.json {
        // The keys are strings and the numbers finite: it can be said.
        serde_json::to_string(&outcome).map_err(|error| error.to_string())? + "\n"
    } else {
        let columns = Table::new().width().map_or(100, usize::from);
        let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        format!("{}\n{}", table(&outcome), timeline::draw(&outcome, columns, coloured))
    };
    let trace = if args.trace { world.trace().to_string() } else { String::new() };
    // A reader that went away, as `head` does, has seen enough.
    let _ = write!(io::stdout(), "{said}{trace}");
    Ok(())
}

fn read(path: &Path) -> Result<Config, String> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let config = Config::parse(&text, &name).map_err(|errors| errors.to_string())?;
    if config.pools.is_empty() {
        return Err(format!("{name}: no pool is configured; add a table like [pool.chat]"));
    }
    Ok(config)
}

fn progress(lasts: Duration) -> ProgressBar {
    // Nothing is drawn where no person looks, and nothing for what is over at once.
    let bar = ProgressBar::with_draw_target(Some(lasts.as_secs()), ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("simulating {bar:40} {percent}%  about {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn table(outcome: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "POOL", "AVAILABLE", "OUTAGES", "LONGEST", "FIRST READY", "CRASHES", "SERVING", "LOADING", "WAITING",
        "DRAINING", "HELD", "LEASES DONE", "CUT", "LOST",
    ]);
    for pool in &outcome.pools {
        let available = f64::from(pool.availability_per_100_000) / 1000.0;
        let lease = |how: &str| pool.leases.get(how).copied().unwrap_or_default().to_string();
        let in_state = |state| brief(pool.time_in.get(&state).copied().unwrap_or_default());
        let cells = [
            format!("{available:.3} %"),
            pool.outages.to_string(),
            brief(pool.longest_outage),
            pool.first_ready.map_or_else(|| "never".to_owned(), brief),
            crashes(pool),
            in_state(State::Serving),
            in_state(State::Loading),
            in_state(State::Waiting),
            in_state(State::Draining),
            in_state(State::Held),
            lease("completed"),
            lease("cut"),
            lease("lost"),
        ];
        let figures = cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right));
        table.add_row([Cell::new(&pool.pool)].into_iter().chain(figures));
    }
    table
}

/// `3 (2 cuda, 1 exit)`, or `0`.
fn crashes(pool: &PoolOutcome) -> String {
    let total: u64 = pool.crashes.values().sum();
    let causes: Vec<String> = pool.crashes.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let storms = if pool.storms == 0 { String::new() } else { format!("; {} storms", pool.storms) };
    if total == 0 { "0".to_owned() } else { format!("{total} ({}{storms})", causes.join(", ")) }
}

/// To the second: `1h 2m 3s`.
fn brief(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
}

fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 90m, 24h or 7d"))
}

fn fault(text: &str) -> Result<Option<(&'static str, Duration)>, String> {
    if text == "none" {
        return Ok(None);
    }
    let (name, every) = text.split_once('=').ok_or("write it like engine-crash=6h")?;
    let family = FAMILIES.iter().find(|family| family.name == name);
    let family = family.ok_or_else(|| format!("no family is called {name:?}; see `poolsim families`"))?;
    let every = span(every)?;
    if every < Duration::from_secs(1) {
        return Err("at most once a second: write it like engine-crash=6h".to_owned());
    }
    Ok(Some((family.name, every)))
}

fn engine(text: &str) -> Result<(String, Profile), String> {
    let (pool, profile) = text.split_once('=').ok_or("write it like chat=flapper")?;
    let known = Profile::ALL.iter().find(|known| known.name() == profile);
    let names = || Profile::ALL.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", ");
    let profile = known.ok_or_else(|| format!("no profile is called {profile:?}; there are {}", names()))?;
    Ok((pool.to_owned(), *profile))
}
