//! The metrics: prefix `pool_manager_`, base units, bounded labels (`pool_id`, `reason`, `outcome`,
//! `operation`, `state`, `circuit`, `storm`). Those about crashes and the starts that follow them are in
//! `supervision`.
//!
//! Counters and histograms move with events ([`Metrics::observe`]); what the view already knows is set
//! when somebody asks ([`Metrics::observe_view`]), so it cannot drift and forgets deregistered pools.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pool_manager_core::{Event, EventKind, OperationKind, Outcome, PhaseName, PoolView, View};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::telemetry::reasons::reload_failure;
use crate::telemetry::sample;
use crate::telemetry::supervision::Supervision;

/// Every metric of one daemon, or of one simulated host.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    drain_duration: Durations<PoolOutcome>,
    preload_duration: Durations<PoolOutcome>,
    preloads: Family<PoolOutcome, Counter>,
    reload_duration: Durations<PoolOutcome>,
    reloads: Family<PoolOutcome, Counter>,
    reload_failures: Family<PoolReason, Counter>,
    stage_duration: Durations<Pool>,
    supervision: Supervision,
    probe_failures: Family<Pool, Counter>,
    operations: Family<PoolOperation, Counter>,
    stale_inputs: Counter,
    leases_granted: Family<Pool, Counter>,
    leases_ended: Family<PoolOutcome, Counter>,
    leases_active: Family<Pool, Gauge>,
    leases_queued: Family<Pool, Gauge>,
    slots: Family<Pool, Gauge>,
    live: Family<Pool, Gauge>,
    ready: Family<Pool, Gauge>,
    state: Family<PoolState, Gauge>,
}

pub(super) type Durations<L> = Family<L, Histogram, Buckets>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Pool {
    pub(super) pool_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PoolOutcome {
    pub(super) pool_id: String,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PoolReason {
    pub(super) pool_id: String,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolOperation {
    pool_id: String,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolState {
    pool_id: String,
    state: &'static str,
}

/// Bucket bounds in seconds: from what an idle drain takes to what loading a large model takes.
const BOUNDS_SECONDS: [f64; 15] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BOUNDS_SECONDS)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("pool_manager"),
            drain_duration: Family::new_with_constructor(Buckets),
            preload_duration: Family::new_with_constructor(Buckets),
            preloads: Family::default(),
            reload_duration: Family::new_with_constructor(Buckets),
            reloads: Family::default(),
            reload_failures: Family::default(),
            stage_duration: Family::new_with_constructor(Buckets),
            supervision: Supervision::new(),
            probe_failures: Family::default(),
            operations: Family::default(),
            stale_inputs: Counter::default(),
            leases_granted: Family::default(),
            leases_ended: Family::default(),
            leases_active: Family::default(),
            leases_queued: Family::default(),
            slots: Family::default(),
            live: Family::default(),
            ready: Family::default(),
            state: Family::default(),
        };
        metrics.registered()
    }

    /// Moves what an event moves. `pool`: the name of the event's pool, if it has one.
    pub fn observe(&self, event: &Event, pool: Option<&str>) {
        let pool_id = pool.unwrap_or_default().to_owned();
        self.supervision.observe(event, &pool_id);
        match &event.kind {
            EventKind::DrainEnded { outcome, took, .. } => {
                let labels = PoolOutcome { pool_id, outcome: outcome.label() };
                self.drain_duration.get_or_create(&labels).observe(took.as_secs_f64());
            }
            EventKind::OperationEnded { kind, outcome, took, .. } => {
                self.observe_operation(pool_id, *kind, outcome, *took);
            }
            EventKind::ModelStaged { took } => {
                self.stage_duration.get_or_create(&Pool { pool_id }).observe(took.as_secs_f64());
            }
            EventKind::ProbeFailed { .. } => {
                self.probe_failures.get_or_create(&Pool { pool_id }).inc();
            }
            EventKind::StaleInput => {
                self.stale_inputs.inc();
            }
            EventKind::BreakerReset
            | EventKind::CandidateFailed { .. }
            | EventKind::CircuitChanged { .. }
            | EventKind::Committed { .. }
            | EventKind::Crashed { .. }
            | EventKind::Deregistered
            | EventKind::DrainStarted { .. }
            | EventKind::EngineCleared
            | EventKind::EngineDoomed { .. }
            | EventKind::EngineEnded { .. }
            | EventKind::EngineReady { .. }
            | EventKind::EngineSpawned { .. }
            | EventKind::EngineStuck
            | EventKind::EngineSuspect { .. }
            | EventKind::FileFailed { .. }
            | EventKind::LeaseEnded { .. }
            | EventKind::OperationStarted { .. }
            | EventKind::PhaseChanged { .. }
            | EventKind::PortStranger { .. }
            | EventKind::Registered
            | EventKind::RestartAllowed
            | EventKind::RestartHeldBack { .. }
            | EventKind::RestartPrevented { .. }
            | EventKind::RestartScheduled { .. }
            | EventKind::RestartsFrequent { .. }
            | EventKind::Resumed { .. }
            | EventKind::ShutdownStarted { .. }
            | EventKind::Signalled { .. }
            | EventKind::StormBegan { .. } => {}
        }
    }

    /// Sets what is read from the view; called before [`Metrics::encode`].
    pub fn observe_view(&self, view: View<'_>) {
        self.clear_of_view();
        for pool in view.pools() {
            self.observe_pool(&pool);
        }
    }

    /// The text exposition (OpenMetrics), in an order that is the same for the same numbers.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut exposition = String::new();
        match text::encode(&mut exposition, &self.registry) {
            Ok(()) => sample::in_order(&exposition),
            // Writing to a String cannot fail; an empty exposition would be seen at once.
            Err(_) => String::new(),
        }
    }

    fn observe_operation(&self, pool_id: String, kind: OperationKind, outcome: &Outcome, took: Duration) {
        let labels = PoolOutcome { pool_id: pool_id.clone(), outcome: outcome.label() };
        match kind {
            OperationKind::Preload => {
                self.preloads.get_or_create(&labels).inc();
                self.preload_duration.get_or_create(&labels).observe(took.as_secs_f64());
            }
            OperationKind::Reload => self.observe_reload(pool_id.clone(), outcome, took),
            OperationKind::Restart
            | OperationKind::Drain
            | OperationKind::Stop
            | OperationKind::Deregister
            | OperationKind::Shutdown => {}
        }
        let labels = PoolOperation { pool_id, operation: kind.label(), outcome: outcome.label() };
        self.operations.get_or_create(&labels).inc();
    }

    /// A reload that was done counts as `success`; every other outcome under its own name.
    fn observe_reload(&self, pool_id: String, outcome: &Outcome, took: Duration) {
        let word = if *outcome == Outcome::Completed { "success" } else { outcome.label() };
        let labels = PoolOutcome { pool_id: pool_id.clone(), outcome: word };
        self.reload_duration.get_or_create(&labels).observe(took.as_secs_f64());
        self.reloads.get_or_create(&labels).inc();
        if let Some(reason) = reload_failure(outcome) {
            self.reload_failures.get_or_create(&PoolReason { pool_id, reason }).inc();
        }
    }

    fn observe_pool(&self, pool: &PoolView<'_>) {
        self.supervision.observe_pool(pool);
        let pool_id = pool.name.as_str().to_owned();
        for state in PhaseName::ALL {
            let labels = PoolState { pool_id: pool_id.clone(), state: state.label() };
            self.state.get_or_create(&labels).set(i64::from(state == pool.phase));
        }
        let totals = pool.lease_totals;
        let endings = [
            ("completed", totals.completed),
            ("cut", totals.cut),
            ("expired", totals.expired),
            ("lost", totals.lost),
        ];
        for (outcome, count) in endings {
            let labels = PoolOutcome { pool_id: pool_id.clone(), outcome };
            self.leases_ended.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
        }
        let labels = Pool { pool_id };
        self.leases_granted.get_or_create(&labels).inner().store(totals.granted, Ordering::Relaxed);
        let gauges = [
            (&self.leases_active, i64::from(pool.leases_active)),
            (&self.leases_queued, i64::from(pool.leases_queued)),
            (&self.slots, i64::from(pool.policy.lease.slots)),
            (&self.live, i64::from(pool.health.live)),
            (&self.ready, i64::from(pool.health.ready)),
        ];
        for (gauge, value) in gauges {
            gauge.get_or_create(&labels).set(value);
        }
    }

    fn clear_of_view(&self) {
        self.supervision.clear_of_view();
        for gauge in [&self.leases_active, &self.leases_queued, &self.slots, &self.live, &self.ready] {
            gauge.clear();
        }
        self.leases_granted.clear();
        self.leases_ended.clear();
        self.state.clear();
    }

    /// Names every metric. The library appends units and `_total`.
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        let seconds = || Unit::Seconds;
        let drain = self.drain_duration.clone();
        registry.register_with_unit("drain_duration", "Drains, by how they ended", seconds(), drain);
        let preload = self.preload_duration.clone();
        registry.register_with_unit("preload_duration", "Preloads, from the command on", seconds(), preload);
        let reload = self.reload_duration.clone();
        registry.register_with_unit("reload_duration", "Reloads, from the command on", seconds(), reload);
        let stage = self.stage_duration.clone();
        registry.register_with_unit("stage_duration", "Making a model present", seconds(), stage);
        registry.register("preloads", "Preloads, by outcome", self.preloads.clone());
        registry.register("reloads", "Reloads, by outcome; success: done", self.reloads.clone());
        let failures = self.reload_failures.clone();
        registry.register("reload_failures", "Reloads that failed, by reason", failures);
        registry.register("probe_failures", "Failed liveness probes", self.probe_failures.clone());
        registry.register("operations", "Operations that ended", self.operations.clone());
        let stale = self.stale_inputs.clone();
        registry.register("stale_inputs", "Answers that nothing waited for any more", stale);
        registry.register("leases_granted", "Leases granted", self.leases_granted.clone());
        registry.register("leases_ended", "Leases, by how they ended", self.leases_ended.clone());
        registry.register("leases_active", "Leases active now", self.leases_active.clone());
        registry.register("leases_queued", "Lease asks that wait", self.leases_queued.clone());
        registry.register("slots", "Leases that may be active at once", self.slots.clone());
        registry.register("live", "1: the engine exists and is not being stopped", self.live.clone());
        registry.register("ready", "1: the pool takes work", self.ready.clone());
        registry.register("state", "1 for the phase the pool is in, else 0", self.state.clone());
        self.supervision.register(registry);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What runs", build);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::sample;
    use pool_manager_core::{DrainOutcome, Host, HostConfig, PoolUid, Time};

    fn drain_ended(outcome: DrainOutcome) -> Event {
        let kind = EventKind::DrainEnded {
            outcome,
            took: Duration::from_secs(2),
            cut: Vec::new(),
            lost: Vec::new(),
        };
        Event { at: Time::ZERO, pool: Some(PoolUid(1)), incarnation: None, correlation: None, kind }
    }

    #[test]
    fn a_drain_is_one_sample_of_its_pool_and_outcome() {
        let metrics = Metrics::new();
        metrics.observe(&drain_ended(DrainOutcome::ForceStopped), Some("a"));
        metrics.observe(&drain_ended(DrainOutcome::ForceStopped), Some("b"));
        metrics.observe(&drain_ended(DrainOutcome::ForceStopped), Some("b"));
        let text = metrics.encode();
        let of = |name: &str, pool: &str, outcome: &str| {
            sample(&text, name, &[("pool_id", pool), ("outcome", outcome)])
        };
        assert_eq!(of("pool_manager_drain_duration_seconds_count", "b", "force_stopped"), Some(2.0));
        assert_eq!(of("pool_manager_drain_duration_seconds_sum", "a", "force_stopped"), Some(2.0));
        assert_eq!(of("pool_manager_drain_duration_seconds_count", "b", "completed"), None);
    }

    #[test]
    fn the_same_numbers_are_the_same_text() {
        let fill = || {
            let metrics = Metrics::new();
            for pool in ["e", "b", "d", "a", "c"] {
                metrics.observe(&drain_ended(DrainOutcome::Completed), Some(pool));
            }
            metrics.observe_view(Host::new(HostConfig::default(), 1, Time::ZERO).view());
            metrics.encode()
        };
        assert_eq!(fill(), fill());
    }
}
