//! What happened in a run, as the daemon's log would have told it, with the strikes of the plan between.

use std::fmt::Write as _;
use std::time::Duration;

use pool_manager::telemetry::Record;
use pool_manager_core::Time;
use pool_manager_sim::plan::{Plan, Run, Strike};
use serde_json::{Value, json};

/// What every record repeats about its pool; a reader of one plan knows it.
const REPEATED: [&str; 9] = [
    "pool_id",
    "engine",
    "engine_version",
    "device_mask",
    "model_id",
    "restart_count",
    "backoff_ms",
    "last_error",
    "correlation_id",
];

/// The story of a run that was watched, a line for everything.
pub(super) fn of(run: &Run, plan: &Plan) -> String {
    let world = run.world();
    let end = world.now().since(Time::ZERO);
    let strikes = plan.strikes.iter().filter(|strike| strike.at <= end);
    let strikes = strikes.map(|strike| (strike.at, format!("strike  {}", shown(strike))));
    let told = world.events().iter().zip(world.records());
    let told = told.map(|(event, record)| (event.at.since(Time::ZERO), line(record)));
    // Strikes first: what happens in the same instant is their work.
    let mut lines: Vec<(Duration, String)> = strikes.chain(told).collect();
    lines.sort_by_key(|(at, _)| *at);
    let mut story = String::new();
    for (at, line) in lines {
        // A string takes any text.
        let _ = writeln!(story, "{:>10.3}s  {line}", at.as_secs_f64());
    }
    story + "\n"
}

fn line(record: &Record) -> String {
    let pool = record.field("pool_id").map(ToString::to_string).unwrap_or_default();
    let mut line = format!("{pool:<7} {}", record.message);
    for (name, value) in record.fields.iter().filter(|(name, _)| !REPEATED.contains(name)) {
        let _ = write!(line, "  {name}={value}");
    }
    line
}

/// `engine-crash pool=a how=abort`.
fn shown(strike: &Strike) -> String {
    let mut shown = strike.fault.name().to_owned();
    if let Value::Object(parameters) = json!(strike.fault) {
        for (name, value) in parameters.iter().filter(|(name, _)| *name != "fault") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = write!(shown, " {name}={value}");
        }
    }
    shown
}
