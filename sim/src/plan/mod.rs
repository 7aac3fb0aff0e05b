//! Plans: everything that decides a run, as a text that can be printed, edited, replayed and shrunk.
//!
//! ```text
//! seed ── Setup::draw ──→ Setup ──┐
//!            Weather (drawn while it runs, and written down) ──→ Plan ──→ run again, to the byte
//! ```
//! A plan names no draw of the weather: it lists what struck, when, so that an entry can be taken out and
//! nothing else moves.

pub(crate) mod duration;
mod options;
mod run;
mod setup;
mod text;
mod weather;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use options::{OptionError, Options};
pub use run::{Failure, Report, Run};
pub use setup::{LatencyKind, PoolSetup, Setup, TrafficSetup};
pub use text::PlanError;
pub use weather::{Swarm, Weather};

use crate::fault::Fault;

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Which form of plan this is; this version reads [`Plan::FORMAT`].
    pub format: u32,
    /// The host, its pools, and the seed of every draw that is not in the plan.
    pub setup: Setup,
    /// What strikes, in order of time.
    #[serde(default, rename = "strike", skip_serializing_if = "Vec::is_empty")]
    pub strikes: Vec<Strike>,
}

/// One thing that strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// Since the run began.
    #[serde(with = "duration")]
    pub at: Duration,
    /// What.
    #[serde(flatten)]
    pub fault: Fault,
}

impl Plan {
    /// The form of plans this version writes and reads.
    pub const FORMAT: u32 = 1;

    /// A plan in which nothing strikes.
    #[must_use]
    pub const fn calm(setup: Setup) -> Self {
        Self { format: Self::FORMAT, setup, strikes: Vec::new() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_plan_reads_back_as_it_was_written() {
        for seed in 0..50 {
            let mut run = Run::draw(seed, &Swarm::default());
            let _ = run.to_end();
            let plan = run.into_plan();
            let text = plan.to_string();
            assert_eq!(Plan::parse(&text).as_ref(), Ok(&plan), "{text}");
        }
    }
}
