//! The host of a plan and its pools: what is drawn once from the seed, and how a world is made of it.

use std::time::Duration;

use pool_manager_core::{HostConfig, LimiterPolicy, OnDrainTimeout, PoolSpec, RestartMode};
use serde::{Deserialize, Serialize};

use super::{Options, duration};
use crate::clients::Traffic;
use crate::profile::Profile;
use crate::random::{Entity, Span, Stream};
use crate::world::{Latencies, TurnOrder, World, WorldConfig, test_pool};

/// The host of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// Decides every draw that is not in the plan.
    pub seed: u64,
    /// How long things strike; what must come about is waited for afterwards.
    #[serde(with = "duration")]
    pub lasts: Duration,
    /// What comes first in one instant.
    pub order: TurnOrder,
    /// How long executors take.
    pub latencies: LatencyKind,
    /// The bound of a shutdown's drain.
    #[serde(with = "duration")]
    pub shutdown_deadline: Duration,
    /// Most loads at once; 0: any number.
    pub loads_at_once: u32,
    /// Automatic restarts of all pools within five minutes, at most, or twice the number of pools; 0: any number.
    pub restarts_of_all: u32,
    /// The pools, by place: the first is `a`.
    #[serde(rename = "pool")]
    pub pools: Vec<PoolSetup>,
}

/// How long executors take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatencyKind {
    /// No time.
    None,
    /// [`Latencies::busy`].
    Busy,
    /// [`Latencies::overloaded`].
    Overloaded,
}

/// One pool of a plan. A key that a plan leaves out is as in the [plainest host](Setup::plain).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSetup {
    /// How its engines behave.
    pub profile: Profile,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// The GPUs it may touch.
    pub gpus: Vec<u8>,
    /// The port it listens on; 0: none.
    pub port: u16,
    /// Which ends are followed by a start.
    pub mode: RestartMode,
    /// Leases it serves at once.
    pub slots: u32,
    /// Asks that may wait.
    pub queue: u32,
    /// How long they wait.
    #[serde(with = "duration")]
    pub queue_wait: Duration,
    /// A lease's time to live where its ask says none; zero: until the engine ends.
    #[serde(with = "duration")]
    pub ttl: Duration,
    /// The longest drain, where its command does not say.
    #[serde(with = "duration")]
    pub drain_deadline: Duration,
    /// TERM to KILL when a drain's deadline passed.
    #[serde(with = "duration")]
    pub force_grace: Duration,
    /// What becomes of a reload whose drain does not end in time, unless its command says.
    pub on_drain_timeout: OnDrainTimeout,
    /// TERM to KILL.
    #[serde(with = "duration")]
    pub stop_grace: Duration,
    /// KILL to *stuck*.
    #[serde(with = "duration")]
    pub kill_wait: Duration,
    /// Staging without progress for so long has failed.
    #[serde(with = "duration")]
    pub stage_stall: Duration,
    /// From spawn to ready, at most.
    #[serde(with = "duration")]
    pub start_timeout: Duration,
    /// Between two probes of a ready engine; zero: none.
    #[serde(with = "duration")]
    pub probe_interval: Duration,
    /// The longest probe of a ready engine.
    #[serde(with = "duration")]
    pub probe_timeout: Duration,
    /// So many failed probes in a row end an engine; 0: none do.
    pub probe_failures: u32,
    /// How long a CUDA line makes an engine suspect.
    #[serde(with = "duration")]
    pub suspect_for: Duration,
    /// The longest drain of a doomed engine.
    #[serde(with = "duration")]
    pub doom_drain: Duration,
    /// Between two restarts, at first.
    #[serde(with = "duration")]
    pub backoff_initial: Duration,
    /// Between two restarts, at least.
    #[serde(with = "duration")]
    pub backoff_floor: Duration,
    /// Ready for so long forgives failures.
    #[serde(with = "duration")]
    pub stable_after: Duration,
    /// Failures that open the circuit; 0: it never opens.
    pub circuit_failures: u32,
    /// How long it stays open, the first time.
    #[serde(with = "duration")]
    pub circuit_open: Duration,
    /// A trial that is ready for so long closes the circuits.
    #[serde(with = "duration")]
    pub trial_stable: Duration,
    /// The window over automatic restarts.
    #[serde(with = "duration")]
    pub window: Duration,
    /// Restarts in the window that are a storm.
    pub storm_restarts: u32,
    /// Restarts in the window that are the most.
    pub window_restarts: u32,
    /// Whether a CUDA line alone dooms the engine.
    pub log_is_trusted: bool,
    /// What its clients do.
    pub traffic: TrafficSetup,
}

/// What clients of one pool do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrafficSetup {
    /// Between two asks, at most; zero: nobody asks.
    #[serde(with = "duration")]
    pub every: Duration,
    /// From grant to end, at most.
    #[serde(with = "duration")]
    pub work: Duration,
    /// A lease's time to live; zero: the pool's default.
    #[serde(with = "duration")]
    pub ttl: Duration,
    /// Once in so many grants the holder never ends its lease; 0: never.
    pub forgets_one_in: u32,
    /// Once in so many grants the holder renews half-way; 0: never.
    pub renews_one_in: u32,
    /// Once in so many asks the caller goes away before the answer; 0: never.
    pub withdraws_one_in: u32,
}

impl Setup {
    /// The host of a seed, of up to eight pools, for ten minutes.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Self::drawn(seed, None)
    }

    /// The same, but for what the options fix.
    ///
    /// # Panics
    /// Never: [`Options::set`] took nothing that does not fit.
    #[must_use]
    pub fn draw_with(seed: u64, options: &Options) -> Self {
        let mut setup = Self::drawn(seed, options.pools());
        if let Err(error) = options.apply(&mut setup) {
            panic!("W06: what was fixed fits every host ({error})");
        }
        setup
    }

    /// The plainest host of so many pools: what a plan is easiest to read on, and what it means where it says nothing.
    /// Keys are added here, and never changed: plans that were written down must go on to mean what they did.
    #[must_use]
    pub fn plain(pools: usize) -> Self {
        Self {
            seed: 0,
            lasts: Duration::from_secs(600),
            order: TurnOrder::Driver,
            latencies: LatencyKind::None,
            shutdown_deadline: Duration::from_secs(10),
            loads_at_once: 0,
            restarts_of_all: 0,
            pools: vec![PoolSetup::plain(); pools],
        }
    }

    pub(super) fn drawn(seed: u64, pools: Option<u32>) -> Self {
        let mut stream = Stream::new(seed, Entity::Setup);
        // Drawn all the same, so that a fixed number moves nothing else.
        let (drawn, gpus) = (1 + stream.below(8), 1 + stream.below(4));
        let pools = pools.unwrap_or(drawn);
        Self {
            seed,
            lasts: Duration::from_secs(600),
            order: if stream.one_in(2) { TurnOrder::Any } else { TurnOrder::Driver },
            latencies: match stream.below(5) {
                0 => LatencyKind::None,
                1 => LatencyKind::Overloaded,
                _ => LatencyKind::Busy,
            },
            shutdown_deadline: secs(stream.below(3) * 5),
            loads_at_once: stream.below(4),
            restarts_of_all: stream.below(3) * 4,
            pools: (0..pools).map(|place| PoolSetup::draw(&mut stream, place, gpus)).collect(),
        }
    }

    /// The world at its first instant, with its pools registered and their clients on their way.
    ///
    /// # Errors
    /// The number of a pool that cannot be registered, and the refusal.
    pub fn build(&self) -> Result<World, (usize, String)> {
        let limiter = LimiterPolicy {
            loads_at_once: self.loads_at_once,
            restarts_least: self.restarts_of_all,
            ..LimiterPolicy::default()
        };
        let host = HostConfig { epoch: 1, shutdown_deadline: self.shutdown_deadline, limiter };
        let latencies = match self.latencies {
            LatencyKind::None => Latencies::NONE,
            LatencyKind::Busy => Latencies::busy(),
            LatencyKind::Overloaded => Latencies::overloaded(),
        };
        let mut world = World::new(WorldConfig { seed: self.seed, host, latencies, order: self.order });
        for (place, setup) in self.pools.iter().enumerate() {
            let spec = setup.spec(place);
            let name = spec.name.clone();
            let pool = world
                .register(spec, setup.profile.engine())
                .map_err(|refusal| (place, format!("pool {name} is refused: {refusal:?}")))?;
            if !setup.traffic.every.is_zero() {
                world.set_traffic(pool, setup.traffic.into());
            }
        }
        Ok(world)
    }
}

impl PoolSetup {
    /// A pool that starts with its host, with round numbers, and nobody who asks for leases.
    const fn plain() -> Self {
        Self {
            profile: Profile::LlamaServer,
            autostart: true,
            gpus: Vec::new(),
            port: 0,
            mode: RestartMode::OnFailure,
            slots: 1,
            queue: 0,
            queue_wait: Duration::ZERO,
            ttl: Duration::from_secs(600),
            drain_deadline: Duration::from_secs(60),
            force_grace: Duration::from_secs(1),
            on_drain_timeout: OnDrainTimeout::Abort,
            stop_grace: Duration::from_secs(5),
            kill_wait: Duration::from_secs(10),
            stage_stall: Duration::from_secs(300),
            start_timeout: Duration::from_secs(60),
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(2),
            probe_failures: 3,
            suspect_for: Duration::from_secs(10),
            doom_drain: Duration::from_secs(10),
            backoff_initial: Duration::from_secs(1),
            backoff_floor: Duration::from_millis(500),
            stable_after: Duration::from_secs(60),
            circuit_failures: 5,
            circuit_open: Duration::from_secs(30),
            trial_stable: Duration::from_secs(60),
            window: Duration::from_secs(60),
            storm_restarts: 10,
            window_restarts: 10,
            log_is_trusted: false,
            traffic: TrafficSetup {
                every: Duration::ZERO,
                work: Duration::from_secs(1),
                ttl: Duration::ZERO,
                forgets_one_in: 0,
                renews_one_in: 0,
                withdraws_one_in: 0,
            },
        }
    }

    /// `gpus`: how many the host has.
    fn draw(stream: &mut Stream, place: u32, gpus: u32) -> Self {
        // Storms must be possible within a run.
        let hasty = stream.one_in(4);
        let profile = Profile::draw(stream);
        Self {
            profile,
            autostart: !stream.one_in(4),
            gpus: draw_mask(stream, gpus),
            port: if stream.one_in(4) { 0 } else { u16::try_from(8000 + place).unwrap_or(0) },
            mode: match stream.below(8) {
                0 => RestartMode::Never,
                1 | 2 => RestartMode::Always,
                _ => RestartMode::OnFailure,
            },
            slots: 1 + stream.below(8),
            queue: stream.below(5),
            queue_wait: secs(stream.below(6)),
            ttl: one_of(stream, &[0, 5000, 30_000, 600_000]),
            drain_deadline: one_of(stream, &[0, 500, 5000, 15_000, 60_000]),
            force_grace: one_of(stream, &[0, 100, 1000]),
            on_drain_timeout: if stream.one_in(2) { OnDrainTimeout::Abort } else { OnDrainTimeout::Force },
            stop_grace: one_of(stream, &[0, 100, 2000, 5000]),
            kill_wait: one_of(stream, &[100, 2000, 10_000]),
            stage_stall: one_of(stream, &[3000, 20_000, 300_000]),
            start_timeout: secs(10 + stream.below(60)) + profile.patience(),
            probe_interval: secs(stream.below(8)),
            probe_timeout: one_of(stream, &[300, 1000, 2000]),
            probe_failures: stream.below(5),
            suspect_for: one_of(stream, &[1000, 5000, 10_000]),
            doom_drain: one_of(stream, &[0, 1000, 10_000]),
            backoff_initial: if hasty { Duration::ZERO } else { Duration::from_secs(1) },
            backoff_floor: if hasty { Duration::ZERO } else { Duration::from_millis(500) },
            stable_after: secs(10 + stream.below(120)),
            circuit_failures: stream.below(6),
            circuit_open: secs(5 + stream.below(60)),
            trial_stable: secs(stream.below(4) * 10),
            window: one_of(stream, &[10_000, 30_000, 60_000]),
            storm_restarts: 3 + stream.below(8),
            window_restarts: 5 + stream.below(20),
            log_is_trusted: stream.one_in(4),
            traffic: TrafficSetup {
                every: Duration::from_millis(u64::from(1000 + stream.below(8000))),
                work: Duration::from_millis(u64::from(1 + stream.below(10_000))),
                ttl: if stream.one_in(3) { secs(4) } else { Duration::ZERO },
                forgets_one_in: stream.below(20),
                renews_one_in: stream.below(8),
                withdraws_one_in: stream.below(8),
            },
        }
    }

    fn spec(&self, place: usize) -> PoolSpec {
        let mut spec = test_pool(&crate::fault::Place::new(place).to_string());
        spec.autostart = self.autostart;
        spec.engine.device_mask = self.gpus.iter().map(u8::to_string).collect();
        spec.engine.port = (self.port != 0).then_some(self.port);
        let policy = &mut spec.policy;
        policy.drain.deadline = self.drain_deadline;
        policy.drain.force_grace = self.force_grace;
        policy.reload.on_drain_timeout = self.on_drain_timeout;
        policy.stop.grace = self.stop_grace;
        policy.stop.kill_wait = self.kill_wait;
        policy.start.stage_stall = self.stage_stall;
        policy.lease.ttl = self.ttl;
        policy.lease.slots = self.slots;
        policy.lease.queue = self.queue;
        policy.lease.queue_wait = self.queue_wait;
        policy.start.timeout = self.start_timeout;
        policy.liveness.interval = self.probe_interval;
        policy.liveness.timeout = self.probe_timeout;
        policy.liveness.failures = self.probe_failures;
        policy.liveness.suspect_for = self.suspect_for;
        policy.liveness.doom_drain = self.doom_drain;
        policy.liveness.log_is_trusted = self.log_is_trusted;
        let restart = &mut policy.restart;
        (restart.backoff_initial, restart.backoff_floor) = (self.backoff_initial, self.backoff_floor);
        (restart.stable_after, restart.circuit_failures) = (self.stable_after, self.circuit_failures);
        (restart.circuit_open, restart.storm_restarts) = (self.circuit_open, self.storm_restarts);
        restart.mode = self.mode;
        restart.trial_stable = self.trial_stable;
        restart.window = self.window;
        restart.storm_within = restart.storm_within.min(self.window);
        restart.window_restarts = self.window_restarts;
        spec
    }
}

impl Default for Setup {
    /// As a plan is that says nothing: it has no pools yet.
    fn default() -> Self {
        Self::plain(0)
    }
}

impl Default for PoolSetup {
    fn default() -> Self {
        Self::plain()
    }
}

impl Default for TrafficSetup {
    fn default() -> Self {
        PoolSetup::plain().traffic
    }
}

impl From<TrafficSetup> for Traffic {
    fn from(setup: TrafficSetup) -> Self {
        let up_to = |to| Span { from: Duration::ZERO, to };
        Self {
            every: up_to(setup.every),
            work: up_to(setup.work),
            forgets_one_in: setup.forgets_one_in,
            renews_one_in: setup.renews_one_in,
            withdraws_one_in: setup.withdraws_one_in,
            ttl: (!setup.ttl.is_zero()).then_some(setup.ttl),
        }
    }
}

/// One GPU, as a rule; several, all, or none.
fn draw_mask(stream: &mut Stream, gpus: u32) -> Vec<u8> {
    let number = |gpu: u32| u8::try_from(gpu).unwrap_or(0);
    match stream.below(8) {
        0 => Vec::new(),
        1 => (0..gpus).map(number).collect(),
        2 if gpus > 1 => {
            let first = stream.below(gpus - 1);
            vec![number(first), number(first + 1)]
        }
        _ => vec![number(stream.below(gpus))],
    }
}

fn one_of(stream: &mut Stream, millis: &[u64]) -> Duration {
    Duration::from_millis(stream.pick(millis).copied().unwrap_or(0))
}

fn secs(secs: u32) -> Duration {
    Duration::from_secs(secs.into())
}
