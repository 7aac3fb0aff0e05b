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
    /// What the operator measured of it, for routers.
    pub hints: PerformanceHints,
}

/// What an engine achieves, as far as the operator knows: data for routers, decides nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformanceHints {
    /// Tokens generated per second, over all slots.
    pub tokens_per_second: Option<u32>,
    /// From a request to its first token.
    pub first_token: Option<Duration>,
}

/// Engine, version, model and digest belong together: a reload commits or keeps all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// The entry's name in the operator's catalog, where there is one.
    pub id: Option<String>,
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
#[serde(default)]
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
    /// Putting another model in its place.
    pub reload: ReloadPolicy,
    /// Starting it again after an end nobody asked for.
    pub restart: RestartPolicy,
}

/// From spawn to Ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartPolicy {
    /// Longest time from spawn to healthy.
    pub timeout: Duration,
    /// Time between two readiness probes.
    pub probe_interval: Duration,
    /// Longest time one readiness probe may take.
    pub probe_timeout: Duration,
    /// Staging fails when it makes no progress for this long.
    pub stage_stall: Duration,
    /// Whether its loads count for the host's start limiter: not for engines that load nothing.
    pub limited: bool,
}

impl Default for StartPolicy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            probe_interval: Duration::from_millis(500),
            probe_timeout: Duration::from_secs(2),
            stage_stall: Duration::from_secs(300),
            limited: true,
        }
    }
}

/// Liveness after Ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LivenessPolicy {
    /// Time between two probes; zero switches liveness probes off.
    pub interval: Duration,
    /// Longest time one probe may take.
    pub timeout: Duration,
    /// Failures in a row that make the engine unhealthy.
    pub failures: u32,
    /// How long time-outs may go uncounted because work still progresses.
    pub progress_grace: Duration,
    /// How long a CUDA-error line makes a live engine suspect: an exit, a failed probe or an Xid within it
    /// dooms the engine, else it is cleared.
    pub suspect_for: Duration,
    /// Whether the engine never logs what its users wrote, so that a CUDA-error line dooms it at once.
    pub log_is_trusted: bool,
    /// Longest drain of a doomed engine; what is left then is lost.
    pub doom_drain: Duration,
}

impl Default for LivenessPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            failures: 3,
            progress_grace: Duration::from_secs(120),
            suspect_for: Duration::from_secs(10),
            log_is_trusted: false,
            doom_drain: Duration::from_secs(10),
        }
    }
}

/// Bounds on leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
#[serde(default)]
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
#[serde(default)]
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

/// Reloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadPolicy {
    /// What becomes of a reload whose drain does not end in time, unless its command says.
    pub on_drain_timeout: OnDrainTimeout,
}

/// What becomes of a reload whose drain does not end in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDrainTimeout {
    /// It is given up; the engine goes on.
    #[default]
    Abort,
    /// The leases that are left are cut.
    Force,
}

/// Restarting after an end nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Failures in a row that open a circuit; zero: they never do.
    pub circuit_failures: u32,
    /// How long a circuit stays open the first time; each trial that fails doubles it.
    pub circuit_open: Duration,
    /// The longest time a circuit stays open.
    pub circuit_open_cap: Duration,
    /// A trial that runs this long from Ready on closes the circuits.
    pub trial_stable: Duration,
    /// The sliding window over automatic restarts.
    pub window: Duration,
    /// Most automatic restarts within the window, the next waits; zero: any number.
    pub window_restarts: u32,
    /// More automatic restarts than this within the window are worth a warning; zero: no number is.
    pub window_warning: u32,
    /// As many automatic restarts within `storm_within` are a storm; zero: no number is.
    pub storm_restarts: u32,
    /// The span a storm is looked for in; at most `window`.
    pub storm_within: Duration,
    /// As many out-of-memory ends within `oom_storm_within` are a storm; zero: no number is.
    pub oom_storm_ends: u32,
    /// The span an out-of-memory storm is looked for in.
    pub oom_storm_within: Duration,
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
            circuit_failures: 5,
            circuit_open: Duration::from_secs(300),
            circuit_open_cap: Duration::from_secs(3600),
            trial_stable: Duration::from_secs(60),
            window: Duration::from_secs(60),
            window_restarts: 10,
            window_warning: 5,
            storm_restarts: 10,
            storm_within: Duration::from_secs(30),
            oom_storm_ends: 5,
            oom_storm_within: Duration::from_secs(60),
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
    /// How many engines may load at once.
    pub limiter: LimiterPolicy,
}

/// The start limiter of a host: every load competes for the same disks, buses and processors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimiterPolicy {
    /// Most loads at once; zero: any number.
    pub loads_at_once: u32,
    /// Most automatic restarts of all pools within `restarts_within`, but see `restarts_per_pool`; zero: any number.
    pub restarts_least: u32,
    /// The same, per registered pool: the larger of the two counts.
    pub restarts_per_pool: u32,
    /// The span automatic restarts are counted in.
    pub restarts_within: Duration,
    /// Engines known to load faster than this are not limited.
    pub exempt_below: Duration,
}

impl Default for LimiterPolicy {
    fn default() -> Self {
        Self {
            loads_at_once: 2,
            restarts_least: 6,
            restarts_per_pool: 2,
            restarts_within: Duration::from_secs(300),
            exempt_below: Duration::from_secs(5),
        }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { epoch: 1, shutdown_deadline: Duration::from_secs(60), limiter: LimiterPolicy::default() }
    }
}
