//! Log records and metrics, as production emits them.

use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use pool_manager::telemetry::{Level, Record, Value, sample};
use pool_manager_core::DrainOutcome;

use crate::backend::Backend;
use crate::world::PoolWorld;

const OUTCOMES: [DrainOutcome; 6] = [
    DrainOutcome::Completed,
    DrainOutcome::EngineExited,
    DrainOutcome::ForceStopped,
    DrainOutcome::Superseded,
    DrainOutcome::TimedOut,
    DrainOutcome::Undrained,
];

#[given("the metrics were scraped")]
#[when("the metrics were scraped")]
fn were_scraped(world: &mut PoolWorld) {
    world.scraped = Some(world.seen().metrics());
}

#[then(expr = "the drain-duration histogram has {int} more sample(s), labelled {string} and {string}")]
fn drain_histogram_moved(world: &mut PoolWorld, more: u32, pool: String, outcome: String) {
    for label in OUTCOMES.map(DrainOutcome::label) {
        let expected = if label == outcome { more } else { 0 };
        let labels = [("pool_id", pool.as_str()), ("outcome", label)];
        assert_moved(world, "pool_manager_drain_duration_seconds_count", &labels, expected);
    }
}

#[then(expr = "the metric {string} has gone up by {int} for")]
fn metric_went_up(world: &mut PoolWorld, name: String, more: u32, step: &Step) {
    let rows = rows(step);
    let labels: Vec<(&str, &str)> = rows.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_moved(world, &name, &labels, more);
}

#[given(expr = "the metric {string} reads {int} for")]
#[then(expr = "the metric {string} reads {int} for")]
fn metric_reads(world: &mut PoolWorld, name: String, value: u32, step: &Step) {
    let rows = rows(step);
    let labels: Vec<(&str, &str)> = rows.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let metrics = world.seen().metrics();
    let read = sample(&metrics, &name, &labels);
    assert_eq!(read, Some(f64::from(value)), "{name} {labels:?}");
}

#[then(expr = "a warning about {string} says that a drain started with {int} leases in flight")]
fn warning_with_count(world: &mut PoolWorld, pool: String, in_flight: u64) {
    let warnings = records_of(world.seen(), &pool, "drain started with leases in flight");
    let [warning] = warnings.as_slice() else {
        panic!("one warning about the start of a drain, not {warnings:?}");
    };
    assert_eq!(warning.level, Level::Warn, "{warning:?}");
    assert_eq!(warning.field("in_flight"), Some(&Value::Uint(in_flight)), "{warning:?}");
}

#[then(expr = "the last {word} record of {string} that says {string} has")]
fn last_record_has(world: &mut PoolWorld, level: String, pool: String, message: String, step: &Step) {
    let records = records_of(world.seen(), &pool, &message);
    let last = records.last().unwrap_or_else(|| panic!("a record of {pool} says {message:?}"));
    assert_eq!(last.level, level_of(&level), "{last:?}");
    for (field, expected) in rows(step) {
        assert_field(last, &field, &expected);
    }
}

#[then(expr = "{int} record(s) of {string} say(s) {string}")]
fn count_of_records(world: &mut PoolWorld, count: usize, pool: String, message: String) {
    let records = records_of(world.seen(), &pool, &message);
    assert_eq!(records.len(), count, "records of {pool} that say {message:?}: {records:?}");
}

/// The records about a pool with this message, oldest first.
pub(super) fn records_of(seen: &dyn Backend, pool: &str, message: &str) -> Vec<Record> {
    let about = Value::Text(pool.to_owned());
    let fits = |record: &Record| record.message == message && record.field("pool_id") == Some(&about);
    seen.records().into_iter().filter(fits).collect()
}

/// A field that is a count.
pub(super) fn number(record: &Record, field: &str) -> u64 {
    match record.field(field) {
        Some(Value::Uint(number)) => *number,
        other => panic!("{field} is a count, not {other:?}: {record:?}"),
    }
}

/// `any`, `3 values`, `5 to 7`, or the value as a reader sees it.
fn assert_field(record: &Record, field: &str, expected: &str) {
    let value = record.field(field).unwrap_or_else(|| panic!("{record:?} has no {field}"));
    let parts: Vec<&str> = expected.split(' ').collect();
    let fits = match (parts.as_slice(), value) {
        (["any"], value) => !value.to_string().is_empty(),
        ([count, "values"], Value::List(values)) => count.parse() == Ok(values.len()),
        ([least, "to", most], Value::Uint(number)) => {
            let bound =
                |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{expected:?} are bounds"));
            (bound(least)..=bound(most)).contains(number)
        }
        (_, value) => value.to_string() == expected,
    };
    assert!(fits, "{field} is {value}, not {expected}: {record:?}");
}

fn level_of(word: &str) -> Level {
    match word {
        "info" => Level::Info,
        "warning" => Level::Warn,
        "error" => Level::Error,
        _ => panic!("no level is called {word:?}"),
    }
}

/// The rows of a step's table: two columns, no heading.
fn rows(step: &Step) -> Vec<(String, String)> {
    let table = step.table.as_ref().unwrap_or_else(|| panic!("{:?} has a table", step.value));
    let row = |row: &Vec<String>| match row.as_slice() {
        [name, value] => (name.clone(), value.clone()),
        _ => panic!("a row has a name and a value, not {row:?}"),
    };
    table.rows.iter().map(row).collect()
}

fn assert_moved(world: &PoolWorld, name: &str, labels: &[(&str, &str)], expected: u32) {
    let before = world.scraped.as_deref().unwrap_or_else(|| panic!("the metrics were scraped before"));
    let after = world.seen().metrics();
    // A series that was never touched is not there yet: zero.
    let [before, now] = [before, &after].map(|text| sample(text, name, labels).unwrap_or(0.0));
    let moved = now - before;
    // Counts are whole numbers, which floats of this size hold exactly.
    assert!((moved - f64::from(expected)).abs() < 0.5, "{name} {labels:?}: {moved} more, not {expected}");
}
