//! The options that several commands have: which host, which weather.

use std::time::Duration;

use clap::Args;
use pool_manager_sim::fault::FAMILIES;
use pool_manager_sim::plan::{Options, Swarm};

/// What is not drawn from the seed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What is not drawn from the seed")]
pub(super) struct Host {
    /// Fixes an option of the host, or of all its pools. A wrong name lists them all. May be repeated.
    #[arg(long = "set", value_name = "OPTION=VALUE")]
    set: Vec<String>,
    /// How long things strike in each run, on the virtual clock [default: 10m].
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    lasts: Option<Duration>,
    /// Only these families strike; see `poolsim families`.
    #[arg(long, value_name = "FAMILY", value_delimiter = ',', value_parser = family)]
    only: Vec<&'static str>,
    /// These families never strike.
    #[arg(long, value_name = "FAMILY", value_delimiter = ',', value_parser = family)]
    without: Vec<&'static str>,
}

impl Host {
    /// The same for the simulator.
    pub(super) fn swarm(&self) -> Result<Swarm, String> {
        let mut options = Options::default();
        for set in &self.set {
            let (name, value) =
                set.split_once('=').ok_or_else(|| format!("--set {set}: write it like --set pools=8"))?;
            options.set(name, value).map_err(|error| format!("--set {set}: {error}"))?;
        }
        if let Some(lasts) = self.lasts {
            let lasts = humantime::format_duration(lasts).to_string();
            options.set("lasts", &lasts).map_err(|error| format!("--for {lasts}: {error}"))?;
        }
        if let Some(both) = self.only.iter().find(|name| self.without.contains(name)) {
            return Err(format!("{both} is in --only and in --without: leave it out of one of them"));
        }
        Ok(Swarm { only: self.only.clone(), without: self.without.clone(), options })
    }
}

pub(super) fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 90s, 10m or 24h"))
}

fn family(text: &str) -> Result<&'static str, String> {
    let known = FAMILIES.iter().map(|family| family.name);
    let likeness = |name: &&str| strsim::jaro_winkler(text, name);
    let best = known.clone().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match best {
        Some(best) if best == text => Ok(best),
        Some(best) if likeness(&best) > 0.8 => Err(format!("no family is called so; did you mean {best}?")),
        _ => Err("no family is called so; `poolsim families` lists them all".to_owned()),
    }
}
