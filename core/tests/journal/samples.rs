//! Values with nothing left at its default, so that a field that gets lost is seen.

use std::time::Duration;

use pool_manager_core::journal::{
    ActiveLeaseFacts, CircuitFacts, EngineFacts, FACTS_VERSION, Facts, FactsUpdate, Header, HostFacts,
    IncarnationFacts, LOGIC_VERSION, LastErrorFacts, LeaseFacts, OperationFacts, PoolFacts, RunFacts,
    StartedBy, SupervisionFacts,
};
use pool_manager_core::{
    CatalogEntry, CircuitState, CommandId, Correlation, CrashClass, DownBy, DrainPolicy, EngineSpec,
    Evidence, ExitStatus, HoldReason, Host, HostConfig, Input, LeasePolicy, LivenessPolicy, LogClass,
    LogEvidence, OnDrainTimeout, OperationKind, PerformanceHints, Policy, PoolName, PoolSpec, Priority,
    ReloadPolicy, RestartMode, RestartPolicy, SpecHash, StartPolicy, StopCause, StopPolicy, Time, Verdict,
};

pub(crate) fn header() -> Header {
    Header {
        logic_version: LOGIC_VERSION,
        epoch: 7,
        segment: 12,
        boot_id: "0b6f8a1c-9c1e-4a39-8a38-5ad6f3b9e8aa".into(),
        machine_id: "9f2f6f0c5f5e4d6c8b7a69788796a5b4".into(),
        begun_unix_millis: 1_767_225_600_123,
        leases_removed: false,
    }
}

/// Instants a little apart, from an uptime of eleven days on.
pub(crate) fn times() -> impl Iterator<Item = Time> {
    (0..).map(|n: u64| Time::from_nanos(1_000_000_000_000_000 + n * 1_234_567))
}

pub(crate) fn engine_spec() -> EngineSpec {
    EngineSpec {
        hash: SpecHash(0xfedc_ba98_7654_3210),
        catalog: CatalogEntry {
            id: Some("qwen-7b".into()),
            engine: "llama-server".into(),
            engine_version: Some("b6700".into()),
            model: "/srv/models/qwen2.5-7b-instruct-q4_k_m.gguf".into(),
            digest: Some("sha256:6a1a2eb6d15622bf3c96857206351ba9".into()),
        },
        device_mask: vec!["GPU-0b6f8a1c".into(), "1".into()],
        port: Some(18_080),
        hints: PerformanceHints {
            tokens_per_second: Some(900),
            first_token: Some(Duration::from_millis(130)),
        },
    }
}

pub(crate) fn pool_spec() -> PoolSpec {
    let name = PoolName::new("chat-7b").unwrap();
    PoolSpec { name, engine: engine_spec(), policy: policy(), autostart: true }
}

/// Counts up, so that no two values are equal and none is a default.
pub(crate) fn policy() -> Policy {
    let mut last = 1000;
    let mut next = || {
        last += 1;
        last
    };
    let span = Duration::from_millis;
    Policy {
        start: StartPolicy {
            timeout: span(next()),
            probe_interval: span(next()),
            probe_timeout: span(next()),
            stage_stall: span(next()),
            limited: false,
        },
        liveness: LivenessPolicy {
            interval: span(next()),
            timeout: span(next()),
            failures: 1007,
            progress_grace: span(next()),
            suspect_for: span(next()),
            log_is_trusted: true,
            doom_drain: span(next()),
        },
        lease: LeasePolicy { slots: 1011, queue: 1012, queue_wait: span(next()), ttl: span(next()) },
        drain: DrainPolicy { deadline: span(next()), force_grace: span(next()) },
        stop: StopPolicy { grace: span(next()), kill_wait: span(next()) },
        reload: ReloadPolicy { on_drain_timeout: OnDrainTimeout::Force },
        restart: RestartPolicy {
            mode: RestartMode::Always,
            backoff_initial: span(next()),
            backoff_cap: span(next()),
            backoff_floor: span(next()),
            cuda_factor: 1019,
            stable_after: span(next()),
            restart_count_reset_after: span(next()),
            config_recheck: span(next()),
            host_recheck: span(next()),
            circuit_failures: 1024,
            circuit_open: span(next()),
            circuit_open_cap: span(next()),
            trial_stable: span(next()),
            window: span(next()),
            window_restarts: 1029,
            window_warning: 1030,
            storm_restarts: 1031,
            storm_within: span(next()),
            oom_storm_ends: 1033,
            oom_storm_within: span(next()),
        },
    }
}

/// A host of this version with one pool on its way up.
pub(crate) fn host() -> Host {
    let at = Time::from_nanos(1_000_000_000_000_000);
    let mut host = Host::new(HostConfig { epoch: 7, ..HostConfig::default() }, 42, at);
    let (command, correlation) = (CommandId(1), Correlation([1, 2]));
    host.handle(at, Input::Register { command, correlation, spec: Box::new(pool_spec()) });
    while host.poll_effect().is_some() {}
    while host.poll_event().is_some() {}
    host
}

pub(crate) fn host_facts() -> HostFacts {
    HostFacts {
        now_nanos: 1_000_000_000_000_001,
        epoch: 7,
        seed: 0xfeed_f00d_dead_beef,
        registered: 5,
        operations_issued: 77,
        shutting_down: true,
        limiter_restarts_nanos: vec![999_000_000_000_000],
    }
}

pub(crate) fn facts() -> Facts {
    Facts { facts_version: FACTS_VERSION, host: host_facts(), pools: vec![serving(), stopped()] }
}

/// Pool 4 came up, pool 5 is new, and so on: what a segment says after its Facts.
pub(crate) fn update() -> FactsUpdate {
    let pool = PoolFacts { uid: 5, name: "new".into(), wanted_up: true, ..PoolFacts::default() };
    FactsUpdate {
        facts_version: FACTS_VERSION,
        host: HostFacts { registered: 6, ..host_facts() },
        pool: Some(pool),
        forgotten: Some(4),
    }
}

fn serving() -> PoolFacts {
    let incarnation = IncarnationFacts { epoch: 7, n: 3 };
    PoolFacts {
        uid: 3,
        name: "chat-7b".into(),
        wanted_up: true,
        down_by: None,
        held: None,
        spec: EngineFacts::from(&engine_spec()),
        previous: Some(EngineFacts { hash: 9, engine: "vllm".into(), ..EngineFacts::default() }),
        candidate: Some(EngineFacts { hash: 0xfedc_ba98_7654_3210, ..EngineFacts::default() }),
        policy: Some(policy()),
        model_stamp: Some(0x1234_5678_9abc_def0),
        incarnation,
        engine: Some(RunFacts {
            incarnation,
            spec_hash: 0xfedc_ba98_7654_3210,
            pid: Some(4242),
            spawned_nanos: 999_000_000_000_001,
            ready_since_nanos: Some(999_000_000_000_002),
            started_by: Some(StartedBy::Rollback),
            doomed: true,
            signalled: true,
            stop_cause: Some(StopCause::Unhealthy),
        }),
        heartbeat_nanos: Some(999_999_000_000_000),
        load_time_nanos: Some(8_000_000_000),
        operation: Some(OperationFacts {
            id: 77,
            kind: Some(OperationKind::Reload),
            correlation: [3, 4],
            started_nanos: 999_600_000_000_000,
        }),
        last_operation: Some(76),
        supervision: supervision(),
        leases: LeaseFacts {
            granted: 1000,
            issued: 1000,
            completed: 900,
            expired: 50,
            cut: 30,
            lost: 19,
            queued: 6,
            asked_since: 0,
            active: vec![ActiveLeaseFacts {
                sequence: 998,
                incarnation,
                holder: [11, u64::MAX],
                priority: Some(Priority::Batch),
                granted_nanos: 999_500_000_000_000,
                expires_nanos: Some(1_000_600_000_000_000),
            }],
        },
    }
}

fn supervision() -> SupervisionFacts {
    SupervisionFacts {
        crashes_total: 21,
        restart_count: 4,
        failures: 2,
        general: CircuitFacts {
            state: Some(CircuitState::Open),
            failures: 5,
            until_nanos: Some(1_000_300_000_000_000),
            open_for_nanos: Some(300_000_000_000),
        },
        cuda: CircuitFacts { state: Some(CircuitState::HalfOpen), failures: 1, ..CircuitFacts::default() },
        restarts_nanos: vec![1, 2, 3],
        oom_ends_nanos: vec![4, 5],
        restart_storms: 6,
        restart_storm_rages: true,
        oom_storms: 7,
        oom_storm_rages: true,
        backoff_until_nanos: Some(1_000_000_500_000_000),
        restart_allowed: true,
        last_error: Some(LastErrorFacts {
            class: "cuda".into(),
            text: "CUDA error (Xid 79)".into(),
            at_nanos: 998_000_000_000_000,
            incarnation: Some(IncarnationFacts { epoch: 7, n: 2 }),
            verdict: Some(Verdict {
                class: CrashClass::Cuda(Some(79)),
                evidence: vec![
                    Evidence::Log(LogEvidence { class: LogClass::CudaError, offset: 77 }),
                    Evidence::Exit(ExitStatus::Signal(6)),
                ],
            }),
        }),
    }
}

fn stopped() -> PoolFacts {
    PoolFacts {
        uid: 4,
        name: "embed".into(),
        down_by: Some(DownBy::Drain),
        held: Some(HoldReason::Stuck),
        ..PoolFacts::default()
    }
}
