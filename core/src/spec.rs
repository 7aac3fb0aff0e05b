//! What an operator wants of a pool, already parsed: the engine part, whose hash decides whether a
//! new incarnation is needed, and the policy part, which is live at the next decision.
//!
//! How an engine is started (argv, environment, endpoint) stays at the edge; the core names it by
//! [`SpecHash`].

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::PoolName;

/// A pool as registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSpec {
    /// The operator's name for it; unique on the host.
    pub name: PoolName,
    /// What runs.
    pub engine: EngineSpec,
    /// How it is supervised.
    pub policy: Policy,
    /// Whether the pool is wanted up when it is first registered.
    pub autostart: bool,
}

/// Identity of everything that decides what gets executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecHash(pub u64);

/// The engine part of a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSpec {
    /// The edge's key to argv, environment and endpoint.
    pub hash: SpecHash,
    /// What the registry shows of it.
    pub catalog: CatalogEntry,
    /// GPUs the engine may touch, as the operator wrote them (indices or UUIDs). Empty: none.
    pub device_mask: Vec<String>,
    /// The TCP port it listens on; `None` for an engine without one.
    pub port: Option<u16>,
}

/// Engine, version, model and digest belong together: a reload commits or keeps all four.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// The kind of engine, such as `llama-server`.
    pub engine: String,
    /// Its version, where the operator states it.
    pub engine_version: Option<String>,
    /// The model: a path or a catalog name.
    pub model: String,
    /// The model's digest, where known.
    pub digest: Option<String>,
}

/// The policy part of a spec. Every number has its default in DESIGN; a zero switches off what is
/// marked so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// From spawn to Ready.
    pub start: StartPolicy,
    /// After Ready.
    pub liveness: LivenessPolicy,
    /// Who may use the engine at once, and for how long.
    pub lease: LeasePolicy,
    /// Taking work away before a stop.
    pub drain: DrainPolicy,
    /// Ending the process.
    pub stop: StopPolicy,
    /// Starting it again after an end nobody asked for.
    pub restart: RestartPolicy,
}

/// From spawn to Ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartPolicy {
    /// Longest time from spawn to healthy.
    pub timeout: Duration,
    /// Time between two readiness probes.
    pub probe_interval: Duration,
    /// Longest time one readiness probe may take.
    pub probe_timeout: Duration,
    /// Staging fails when it makes no progress for this long.
    pub stage_stall: Duration,
}

impl Default for StartPolicy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            probe_interval: Duration::from_millis(500),
            probe_timeout: Duration::from_secs(2),
            stage_stall: Duration::from_secs(300),
        }
    }
}

/// Liveness after Ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivenessPolicy {
    /// Time between two probes; zero switches liveness probes off.
    pub interval: Duration,
    /// Longest time one probe may take.
    pub timeout: Duration,
    /// Failures in a row that make the engine unhealthy.
    pub failures: u32,
    /// How long time-outs may go uncounted because work still progresses.
    pub progress_grace: Duration,
}

impl Default for LivenessPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            failures: 3,
            progress_grace: Duration::from_secs(120),
        }
    }
}

/// Bounds on leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasePolicy {
    /// Most leases active at once.
    pub slots: u32,
    /// Most asks waiting, over both priorities; zero switches the queue off.
    pub queue: u32,
    /// Longest time an ask waits.
    pub queue_wait: Duration,
    /// Life of a lease that names none; zero: until the incarnation ends.
    pub ttl: Duration,
}

impl Default for LeasePolicy {
    fn default() -> Self {
        Self { slots: 4, queue: 64, queue_wait: Duration::from_secs(30), ttl: Duration::from_secs(600) }
    }
}

/// Draining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainPolicy {
    /// Deadline of a drain that names none.
    pub deadline: Duration,
    /// TERM to KILL when the deadline passed and leases were cut.
    pub force_grace: Duration,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(60), force_grace: Duration::from_secs(1) }
    }
}

/// The stop ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPolicy {
    /// TERM to KILL.
    pub grace: Duration,
    /// KILL to *stuck*.
    pub kill_wait: Duration,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5), kill_wait: Duration::from_secs(10) }
    }
}

/// Restarting after an end nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// Which ends are followed by a start.
    pub mode: RestartMode,
    /// First delay.
    pub backoff_initial: Duration,
    /// Largest delay, jitter included.
    pub backoff_cap: Duration,
    /// Smallest delay, jitter included.
    pub backoff_floor: Duration,
    /// Delay factor for verdicts of class cuda.
    pub cuda_factor: u32,
    /// A run this long from Ready on sets the failure count to 0.
    pub stable_after: Duration,
    /// A run this long from Ready on sets the restart count to 0.
    pub restart_count_reset_after: Duration,
    /// How often a missing file that holds the pool is looked for again.
    pub config_recheck: Duration,
    /// How often a host problem is looked at again.
    pub host_recheck: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            mode: RestartMode::OnFailure,
            backoff_initial: Duration::from_millis(1000),
            backoff_cap: Duration::from_millis(60_000),
            backoff_floor: Duration::from_millis(500),
            cuda_factor: 2,
            stable_after: Duration::from_secs(300),
            restart_count_reset_after: Duration::from_secs(600),
            config_recheck: Duration::from_secs(60),
            host_recheck: Duration::from_secs(30),
        }
    }
}

/// Which ends are followed by a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartMode {
    /// Every end nobody asked for; a clean one waits the first backoff step and is no failure.
    Always,
    /// No end.
    Never,
    /// Every end nobody asked for but a clean one.
    OnFailure,
}

/// What the whole host is told at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostConfig {
    /// This start of the supervisor; higher than every one before (see [`Incarnation`](crate::Incarnation)).
    pub epoch: u32,
    /// Longest drain of a shutdown.
    pub shutdown_deadline: Duration,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { epoch: 1, shutdown_deadline: Duration::from_secs(60) }
    }
}
