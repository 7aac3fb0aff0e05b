//! Telemetry: what the core's events and view mean to a log reader and to Prometheus.
//!
//! Pure translation: no clock, no I/O, no global (but for `log`). The daemon and the simulator call the same
//! functions, so scenarios assert on the very records and metrics that production emits. The
//! catalogue of records is in `records`, that of metrics in `metrics`. Only `log` touches the world: it
//! sends the daemon's records to stderr, for people in the form that `text` gives them.

mod log;
mod metrics;
mod records;
mod sample;
mod text;

pub use log::{LogFormat, log, start};
pub use metrics::Metrics;
pub use records::{Level, Record, Subject, Value, record};
pub use sample::sample;
