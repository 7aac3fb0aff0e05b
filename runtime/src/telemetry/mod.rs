//! Telemetry: what the core's events and view mean to a log reader and to Prometheus.
//!
//! Pure translation: no clock, no I/O, no global (but for `log`). The daemon and the simulator call the same
//! functions, so scenarios assert on the very records and metrics that production emits. The
//! catalogue of records is in `translate`, their form in `records`, and the words for failures in `reasons`;
//! metrics are in `metrics` and, about starts after failures, `supervision`. Only `log` touches the world:
//! it sends the daemon's records to stderr, for people in the form that `text` gives them.

mod log;
mod metrics;
mod reasons;
mod records;
mod sample;
mod supervision;
mod text;
mod translate;

pub use log::{LogFormat, log, start};
pub use metrics::Metrics;
pub use reasons::{reload_failure, storm_remedy};
pub use records::{Level, Record, Subject, Value, record};
pub use sample::sample;
