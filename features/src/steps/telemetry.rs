//! Log records and metrics, as production emits them.

use cucumber::{given, then};
use pool_manager::telemetry::{Level, Value, sample};
use pool_manager_core::DrainOutcome;

use crate::world::PoolWorld;

/// Any pool shows the whole host's records and metrics.
const ANY_POOL: &str = "test-pool";

const OUTCOMES: [DrainOutcome; 6] = [
    DrainOutcome::Completed,
    DrainOutcome::EngineExited,
    DrainOutcome::ForceStopped,
    DrainOutcome::Superseded,
    DrainOutcome::TimedOut,
    DrainOutcome::Undrained,
];

#[given("the metrics were scraped")]
fn were_scraped(world: &mut PoolWorld) {
    world.scraped = Some(world.observe(ANY_POOL).metrics);
}

#[then(expr = "the drain-duration histogram has {int} more sample(s), labelled {string} and {string}")]
fn drain_histogram_moved(world: &mut PoolWorld, more: u32, pool: String, outcome: String) {
    let before = world.scraped.take().expect("the metrics were scraped before");
    let after = world.observe(&pool).metrics;
    for label in OUTCOMES.map(DrainOutcome::label) {
        let expected = if label == outcome { f64::from(more) } else { 0.0 };
        let moved = drains(&after, &pool, label) - drains(&before, &pool, label);
        // Counts are whole numbers, which floats of this size hold exactly.
        assert!((moved - expected).abs() < 0.5, "{label} drains of {pool}: {moved} more, not {expected}");
    }
}

#[then(expr = "a warning about {string} says that a drain started with {int} leases in flight")]
fn warning_with_count(world: &mut PoolWorld, pool: String, in_flight: u64) {
    let records = world.observe(&pool).records;
    let warnings: Vec<_> = records
        .iter()
        .filter(|record| record.level == Level::Warn && record.message.starts_with("drain started"))
        .collect();
    let [warning] = warnings.as_slice() else {
        panic!("one warning about the start of a drain, not {warnings:?}");
    };
    assert_eq!(warning.field("in_flight"), Some(&Value::Uint(in_flight)), "{warning:?}");
    assert_eq!(warning.field("pool_id"), Some(&Value::Text(pool)), "{warning:?}");
}

/// A series that was never touched is not there yet: zero.
fn drains(metrics: &str, pool: &str, outcome: &str) -> f64 {
    let labels = [("pool_id", pool), ("outcome", outcome)];
    sample(metrics, "pool_manager_drain_duration_seconds_count", &labels).unwrap_or(0.0)
}
