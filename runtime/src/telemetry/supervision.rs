//! The metrics about crashes and what follows them: backoff, circuits, the sliding window and storms. Part of
//! [`Metrics`](crate::telemetry::Metrics), which alone calls this.
//!
//! What the core itself counts (circuit states, the window, storms) is read from the view, so that it holds
//! from the first scrape on and survives a restart of the supervisor.

use std::sync::atomic::Ordering;

use pool_manager_core::{CircuitState, Event, EventKind, PoolView, Storm};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::telemetry::metrics::{Buckets, Durations, Pool, PoolReason};

#[derive(Debug)]
pub(super) struct Supervision {
    backoff_delay: Durations<PoolReason>,
    restarts_scheduled: Family<PoolReason, Counter>,
    restarts_held_back: Family<Pool, Counter>,
    restarts_prevented: Family<PoolCircuit, Counter>,
    crashes: Family<PoolReason, Counter>,
    suspects: Family<Pool, Counter>,
    dooms: Family<Pool, Counter>,
    breaker_opened: Family<PoolCircuit, Counter>,
    breaker_state: Family<PoolCircuit, Gauge>,
    restart_storms: Family<PoolStorm, Counter>,
    restarts_in_window: Family<Pool, Gauge>,
    restart_count: Family<Pool, Gauge>,
    failed: Family<Pool, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolCircuit {
    pool_id: String,
    circuit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolStorm {
    pool_id: String,
    storm: &'static str,
}

impl Supervision {
    pub(super) fn new() -> Self {
        Self {
            backoff_delay: Family::new_with_constructor(Buckets),
            restarts_scheduled: Family::default(),
            restarts_held_back: Family::default(),
            restarts_prevented: Family::default(),
            crashes: Family::default(),
            suspects: Family::default(),
            dooms: Family::default(),
            breaker_opened: Family::default(),
            breaker_state: Family::default(),
            restart_storms: Family::default(),
            restarts_in_window: Family::default(),
            restart_count: Family::default(),
            failed: Family::default(),
        }
    }

    /// Moves what an event moves.
    pub(super) fn observe(&self, event: &Event, pool_id: &str) {
        let pool = || Pool { pool_id: pool_id.to_owned() };
        match &event.kind {
            EventKind::CircuitChanged { circuit, to: CircuitState::Open, .. } => {
                let labels = PoolCircuit { pool_id: pool_id.to_owned(), circuit: circuit.label() };
                self.breaker_opened.get_or_create(&labels).inc();
            }
            EventKind::Crashed { verdict, .. } => {
                let labels = PoolReason { pool_id: pool_id.to_owned(), reason: verdict.class.label() };
                self.crashes.get_or_create(&labels).inc();
            }
            EventKind::EngineDoomed { .. } => {
                self.dooms.get_or_create(&pool()).inc();
            }
            EventKind::EngineSuspect { .. } => {
                self.suspects.get_or_create(&pool()).inc();
            }
            EventKind::RestartHeldBack { .. } => {
                self.restarts_held_back.get_or_create(&pool()).inc();
            }
            EventKind::RestartPrevented { circuit, .. } => {
                let labels = PoolCircuit { pool_id: pool_id.to_owned(), circuit: circuit.label() };
                self.restarts_prevented.get_or_create(&labels).inc();
            }
            EventKind::RestartScheduled { delay, reason, .. } => {
                let labels = PoolReason { pool_id: pool_id.to_owned(), reason: reason.label() };
                self.backoff_delay.get_or_create(&labels).observe(delay.as_secs_f64());
                self.restarts_scheduled.get_or_create(&labels).inc();
            }
            EventKind::BreakerReset
            | EventKind::CandidateFailed { .. }
            | EventKind::CircuitChanged { .. }
            | EventKind::Committed { .. }
            | EventKind::Deregistered
            | EventKind::DrainEnded { .. }
            | EventKind::DrainStarted { .. }
            | EventKind::EngineCleared
            | EventKind::EngineEnded { .. }
            | EventKind::EngineReady { .. }
            | EventKind::EngineSpawned { .. }
            | EventKind::EngineStuck
            | EventKind::FileFailed { .. }
            | EventKind::LeaseEnded { .. }
            | EventKind::ModelStaged { .. }
            | EventKind::OperationEnded { .. }
            | EventKind::OperationStarted { .. }
            | EventKind::PhaseChanged { .. }
            | EventKind::PortStranger { .. }
            | EventKind::ProbeFailed { .. }
            | EventKind::Registered
            | EventKind::RestartAllowed
            | EventKind::RestartsFrequent { .. }
            | EventKind::Resumed { .. }
            | EventKind::ShutdownStarted { .. }
            | EventKind::Signalled { .. }
            | EventKind::StaleInput
            | EventKind::StormBegan { .. } => {}
        }
    }

    /// Sets what is read from the view of a pool.
    pub(super) fn observe_pool(&self, pool: &PoolView<'_>) {
        let pool_id = pool.name.as_str().to_owned();
        for circuit in pool.circuits {
            let labels = PoolCircuit { pool_id: pool_id.clone(), circuit: circuit.kind.label() };
            self.breaker_state.get_or_create(&labels).set(circuit.state.number().into());
        }
        for (storm, count) in [(Storm::Restarts, pool.restart_storms), (Storm::OutOfMemory, pool.oom_storms)]
        {
            let labels = PoolStorm { pool_id: pool_id.clone(), storm: storm.label() };
            self.restart_storms.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
        }
        let labels = Pool { pool_id };
        self.restarts_in_window.get_or_create(&labels).set(pool.restarts_in_window.into());
        self.restart_count.get_or_create(&labels).set(pool.restart_count.into());
        self.failed.get_or_create(&labels).set(pool.failed.into());
    }

    /// Forgets what the view may not have any more.
    pub(super) fn clear_of_view(&self) {
        self.breaker_state.clear();
        self.restart_storms.clear();
        for gauge in [&self.restarts_in_window, &self.restart_count, &self.failed] {
            gauge.clear();
        }
    }

    /// Names every metric. The library appends units and `_total`.
    pub(super) fn register(&self, registry: &mut Registry) {
        let backoff = self.backoff_delay.clone();
        registry.register_with_unit(
            "backoff_delay",
            "Waits before scheduled restarts",
            Unit::Seconds,
            backoff,
        );
        let scheduled = self.restarts_scheduled.clone();
        registry.register("restarts_scheduled", "Restarts, by the end they follow", scheduled);
        let held_back = self.restarts_held_back.clone();
        registry.register("restarts_held_back", "Restarts that waited for the sliding window", held_back);
        let prevented = self.restarts_prevented.clone();
        registry.register("restarts_prevented", "Ends not followed by a restart, by open circuit", prevented);
        registry.register("crashes", "Ends nobody asked for, by class", self.crashes.clone());
        let suspects = self.suspects.clone();
        registry.register("engine_suspects", "CUDA errors in the log of a live engine", suspects);
        registry.register("engine_dooms", "CUDA errors of a live engine, confirmed", self.dooms.clone());
        registry.register("breaker_opened", "Times a circuit opened", self.breaker_opened.clone());
        let state = self.breaker_state.clone();
        registry.register("breaker_state", "0: closed, 1: open, 2: half-open", state);
        registry.register("restart_storms", "Storms, by kind", self.restart_storms.clone());
        let rate = self.restarts_in_window.clone();
        registry.register(
            "restarts_in_window",
            "Restart rate: automatic restarts in the sliding window",
            rate,
        );
        let count = self.restart_count.clone();
        registry.register("restart_count", "Automatic restarts since the last long stable run", count);
        let failed = self.failed.clone();
        registry.register("failed", "1: held, or a circuit is open and no engine runs", failed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pool_manager_core::{
        CatalogEntry, CircuitKind, CommandId, Correlation, CrashClass, EngineSpec, Host, HostConfig, Input,
        OperationId, OperationKind, Outcome, PerformanceHints, Policy, PoolName, PoolSpec, PoolUid, SpecHash,
        Time, Verdict,
    };

    use super::*;
    use crate::telemetry::{Metrics, sample};

    fn observed(kinds: impl IntoIterator<Item = EventKind>) -> String {
        let metrics = Metrics::new();
        for kind in kinds {
            let event =
                Event { at: Time::ZERO, pool: Some(PoolUid(1)), incarnation: None, correlation: None, kind };
            metrics.observe(&event, Some("a"));
        }
        metrics.encode()
    }

    fn value(text: &str, name: &str, more: &[(&str, &str)]) -> Option<f64> {
        let labels: Vec<_> = [("pool_id", "a")].iter().chain(more).copied().collect();
        sample(text, &format!("pool_manager_{name}"), &labels)
    }

    #[test]
    fn a_scheduled_restart_moves_histogram_and_counter_of_its_reason() {
        let text = observed([EventKind::RestartScheduled {
            at: Time::ZERO,
            delay: Duration::from_millis(2100),
            base: Duration::from_secs(2),
            failures: 1,
            reason: CrashClass::Cuda(None),
        }]);
        let cuda = [("reason", "cuda")];
        assert_eq!(value(&text, "backoff_delay_seconds_count", &cuda), Some(1.0));
        assert_eq!(value(&text, "backoff_delay_seconds_sum", &cuda), Some(2.1));
        assert_eq!(value(&text, "restarts_scheduled_total", &cuda), Some(1.0));
    }

    #[test]
    fn only_an_opening_counts_as_one() {
        let changed = |from, to| {
            let circuit = CircuitKind::General;
            EventKind::CircuitChanged { circuit, from, to, failures: 5, open_for: None }
        };
        let text = observed([
            changed(CircuitState::Closed, CircuitState::Open),
            changed(CircuitState::Open, CircuitState::HalfOpen),
            changed(CircuitState::HalfOpen, CircuitState::Open),
            changed(CircuitState::Open, CircuitState::Closed),
        ]);
        assert_eq!(value(&text, "breaker_opened_total", &[("circuit", "general")]), Some(2.0));
        assert_eq!(value(&text, "breaker_opened_total", &[("circuit", "cuda")]), None);
    }

    #[test]
    fn a_reload_counts_as_success_or_with_its_reason() {
        let ended = |outcome| {
            let took = Duration::from_secs(3);
            EventKind::OperationEnded {
                operation: OperationId(1),
                kind: OperationKind::Reload,
                outcome,
                took,
            }
        };
        let verdict = Box::new(Verdict { class: CrashClass::StartTimeout, evidence: Vec::new() });
        let text = observed([
            ended(Outcome::Completed),
            ended(Outcome::RolledBack { verdict }),
            ended(Outcome::TimedOut),
            ended(Outcome::Superseded { by: OperationKind::Stop }),
        ]);
        for outcome in ["success", "rolled_back", "timed_out", "superseded"] {
            let label = [("outcome", outcome)];
            assert_eq!(value(&text, "reloads_total", &label), Some(1.0), "{outcome}");
            assert_eq!(value(&text, "reload_duration_seconds_sum", &label), Some(3.0), "{outcome}");
        }
        for reason in ["start_timeout", "drain_timeout"] {
            assert_eq!(value(&text, "reload_failures_total", &[("reason", reason)]), Some(1.0), "{reason}");
        }
        assert_eq!(text.matches("reload_failures_total{").count(), 2, "nobody failed but these:\n{text}");
    }

    #[test]
    fn what_the_view_knows_is_there_from_the_first_scrape_on_and_goes_with_the_pool() {
        let mut host = Host::new(HostConfig::default(), 1, Time::ZERO);
        let metrics = Metrics::new();
        let scrape = |host: &Host| {
            metrics.observe_view(host.view());
            metrics.encode()
        };
        feed(&mut host, register());
        let text = scrape(&host);
        for circuit in ["general", "cuda"] {
            assert_eq!(value(&text, "breaker_state", &[("circuit", circuit)]), Some(0.0), "{circuit}");
        }
        for storm in ["restart_storm", "oom_storm"] {
            assert_eq!(value(&text, "restart_storms_total", &[("storm", storm)]), Some(0.0), "{storm}");
        }
        for gauge in ["restarts_in_window", "restart_count", "failed"] {
            assert_eq!(value(&text, gauge, &[]), Some(0.0), "{gauge}");
        }
        let (command, correlation) = (CommandId(2), Correlation([0, 0]));
        let verb = pool_manager_core::Verb::Deregister;
        feed(&mut host, Input::Command { command, correlation, pool: PoolUid(1), verb });
        assert_eq!(value(&scrape(&host), "failed", &[]), None);
    }

    fn feed(host: &mut Host, input: Input) {
        host.handle(Time::ZERO, input);
        while host.poll_effect().is_some() {}
        while host.poll_event().is_some() {}
    }

    fn register() -> Input {
        let catalog = CatalogEntry {
            id: None,
            engine: "e".to_owned(),
            engine_version: None,
            model: "m".to_owned(),
            digest: None,
        };
        let spec = PoolSpec {
            name: PoolName::new("a").unwrap(),
            engine: EngineSpec {
                hash: SpecHash(1),
                catalog,
                device_mask: Vec::new(),
                port: None,
                hints: PerformanceHints::default(),
            },
            policy: Policy::default(),
            autostart: false,
        };
        Input::Register { command: CommandId(1), correlation: Correlation([0, 0]), spec: Box::new(spec) }
    }
}
