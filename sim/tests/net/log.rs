//! Everything that was asked, answered and seen in one run, a line each, with virtual times. Two runs of one
//! seed must write the same lines.

use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Called by the software of a host.
    pub(crate) fn say(&self, who: &str, what: impl Display) {
        self.say_at(now(), who, what);
    }

    /// Called from outside the simulation, between two steps.
    pub(crate) fn say_at(&self, at: Duration, who: &str, what: impl Display) {
        self.0.lock().unwrap().push(format!("{:>9.3} {who:<12} {what}", at.as_secs_f64()));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Virtual time since the start of the simulation; called by the software of a host.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().expect("only hosts have the time")
}

/// FNV-1a, 64 bit, over all lines.
pub(crate) fn hash(lines: &[String]) -> u64 {
    let bytes = lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
