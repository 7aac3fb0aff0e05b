//! What the sentences of the scenarios mean, by subject.

mod allowance;
mod breaker;
mod crash;
mod drain;
mod engine;
mod files;
mod host;
mod leases;
mod operations;
mod policy;
mod pools;
mod probes;
mod reload;
mod restarts;
mod script;
mod staging;
mod storm;
mod supervisor;
mod telemetry;

use std::time::Duration;

/// As many seconds.
const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// As many milliseconds.
const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
