//! The worlds that are searched: how large, and with which policies. Every span is ten seconds or a small multiple, as
//! the core's own limits are (10 s for a spawn, 30 s for a release), so that few relative times exist and states
//! repeat. Jitter is off, because a fingerprint does not tell incarnations apart.

use std::time::Duration;

use pool_manager_core::{
    CatalogEntry, CommandId, Correlation, DrainPolicy, EngineSpec, Host, HostConfig, Input, LeasePolicy,
    LimiterPolicy, LivenessPolicy, OnDrainTimeout, PerformanceHints, Policy, PoolName, PoolSpec, PoolUid,
    ReloadPolicy, RestartMode, RestartPolicy, SpecHash, StartPolicy, StopPolicy, Time,
};

/// A small world, and how much may go wrong in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// Pools, at most [`World::MOST_POOLS`]. They share one device and one place to load in.
    pub pools: u8,
    /// Leases that clients of one pool hold or wait for at once. One less has a slot, if there are two.
    pub leases: u8,
    /// Things that go wrong, at most 15.
    pub faults: u8,
    /// Commands of an operator, at most 14.
    pub acts: u8,
    /// Whether an engine that outlives KILL lives for ever, as one that hangs in a driver does until a reboot. Then a
    /// pool that is stuck counts as settled no more than without: nothing settles it.
    pub immortal: bool,
    /// Searching more states than this is given up.
    pub most_states: u32,
    /// Whether every state that is met again is expanded again, to see that fingerprints tell apart what must be
    /// told apart. Slow.
    pub check_fingerprints: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            pools: 1,
            leases: 1,
            faults: 1,
            acts: 1,
            immortal: false,
            most_states: 20_000_000,
            check_fingerprints: false,
        }
    }
}

const TEN: Duration = Duration::from_secs(10);
const TWENTY: Duration = Duration::from_secs(20);

/// The spec every pool is registered with.
pub(super) const FIRST: SpecHash = SpecHash(1);
/// The spec it is reloaded to; from there it is reloaded to [`FIRST`].
pub(super) const OTHER: SpecHash = SpecHash(2);

impl World {
    /// Most pools of one world.
    pub const MOST_POOLS: u8 = 3;
    /// Longest load that is no fault.
    pub(super) const LOADS_WITHIN: Duration = TWENTY;

    /// The host at its first instant, with every pool registered and wanted up.
    pub(super) fn host(&self) -> Host {
        let limiter = LimiterPolicy {
            loads_at_once: 1,
            restarts_least: 0,
            exempt_below: Duration::ZERO,
            ..LimiterPolicy::default()
        };
        let config = HostConfig { epoch: 1, shutdown_deadline: TEN, limiter };
        Host::new(config, 1, Time::ZERO)
    }

    /// What the host is told first.
    pub(super) fn registrations(&self) -> impl Iterator<Item = Input> + '_ {
        (1..=self.pools).map(|pool| Input::Register {
            command: CommandId(pool.into()),
            correlation: Correlation([0, 0]),
            spec: Box::new(self.pool(pool)),
        })
    }

    /// The pools of this world.
    pub(super) fn uids(&self) -> impl Iterator<Item = PoolUid> + use<> {
        (1..=self.pools).map(|pool| PoolUid(pool.into()))
    }

    /// Engines of a world with one pool touch no device, so that nothing is quarantined for anybody.
    pub(super) fn spec(&self, hash: SpecHash) -> EngineSpec {
        EngineSpec {
            hash,
            catalog: CatalogEntry {
                id: None,
                engine: String::new(),
                engine_version: None,
                model: String::new(),
                digest: None,
            },
            device_mask: if self.pools > 1 { vec!["0".to_owned()] } else { Vec::new() },
            port: None,
            hints: PerformanceHints::default(),
        }
    }

    /// How many leases are active at once; the rest waits.
    pub(super) const fn slots(&self) -> u32 {
        if self.leases > 1 { self.leases as u32 - 1 } else { 1 }
    }

    fn pool(&self, pool: u8) -> PoolSpec {
        let name = format!("{}", char::from(b'a' + pool - 1));
        let Ok(name) = PoolName::new(&name) else { unreachable!("a letter is a name") };
        PoolSpec { name, engine: self.spec(FIRST), policy: self.policy(), autostart: true }
    }

    fn policy(&self) -> Policy {
        Policy {
            start: StartPolicy {
                timeout: Self::LOADS_WITHIN,
                probe_interval: TEN,
                // With the second that its answer gets on top: ten.
                probe_timeout: Duration::from_secs(9),
                stage_stall: TWENTY,
                limited: self.pools > 1,
            },
            liveness: LivenessPolicy {
                interval: TEN,
                timeout: Duration::from_secs(9),
                failures: 2,
                progress_grace: Duration::ZERO,
                suspect_for: TEN,
                log_is_trusted: false,
                doom_drain: TEN,
            },
            lease: LeasePolicy { slots: self.slots(), queue: 1, queue_wait: TEN, ttl: TEN },
            drain: DrainPolicy { deadline: TEN, force_grace: TEN },
            stop: StopPolicy { grace: TEN, kill_wait: TEN },
            reload: ReloadPolicy { on_drain_timeout: OnDrainTimeout::Abort },
            restart: RestartPolicy {
                mode: RestartMode::OnFailure,
                backoff_initial: TEN,
                backoff_cap: TEN,
                backoff_floor: TEN,
                stable_after: TEN,
                restart_count_reset_after: TEN,
                config_recheck: TEN,
                host_recheck: TEN,
                circuit_failures: 2,
                circuit_open: TWENTY,
                circuit_open_cap: TWENTY,
                trial_stable: TEN,
                window: TWENTY,
                window_restarts: 1,
                window_warning: 0,
                storm_restarts: 0,
                oom_storm_ends: 0,
                ..RestartPolicy::default()
            },
        }
    }
}
