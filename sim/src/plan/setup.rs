//! The host of a plan and its pools: what is drawn once from the seed, and how a world is made of it.

use std::time::Duration;

use pool_manager_core::{HostConfig, PoolSpec};
use serde::{Deserialize, Serialize};

use super::{Options, duration};
use crate::clients::Traffic;
use crate::profile::Profile;
use crate::random::{Entity, Span, Stream};
use crate::world::{Latencies, TurnOrder, World, WorldConfig, test_pool};

/// The host of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// One pool of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSetup {
    /// How its engines behave.
    pub profile: Profile,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// Leases it serves at once.
    pub slots: u32,
    /// Asks that may wait.
    pub queue: u32,
    /// How long they wait.
    #[serde(with = "duration")]
    pub queue_wait: Duration,
    /// From spawn to ready, at most.
    #[serde(with = "duration")]
    pub start_timeout: Duration,
    /// Between two probes of a ready engine; zero: none.
    #[serde(with = "duration")]
    pub probe_interval: Duration,
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
#[serde(deny_unknown_fields)]
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

    /// The plainest host of so many pools: what a plan is easiest to read on.
    #[must_use]
    pub fn plain(pools: usize) -> Self {
        Self {
            seed: 0,
            lasts: Duration::from_secs(600),
            order: TurnOrder::Driver,
            latencies: LatencyKind::None,
            shutdown_deadline: Duration::from_secs(10),
            pools: vec![PoolSetup::plain(); pools],
        }
    }

    pub(super) fn drawn(seed: u64, pools: Option<u32>) -> Self {
        let mut stream = Stream::new(seed, Entity::Setup);
        // Drawn all the same, so that a fixed number moves nothing else.
        let drawn = 1 + stream.below(8);
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
            pools: (0..pools).map(|_| PoolSetup::draw(&mut stream)).collect(),
        }
    }

    /// The world at its first instant, with its pools registered and their clients on their way.
    ///
    /// # Errors
    /// The number of a pool that cannot be registered, and the refusal.
    pub fn build(&self) -> Result<World, (usize, String)> {
        let host =
            HostConfig { epoch: 1, shutdown_deadline: self.shutdown_deadline, ..HostConfig::default() };
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
            slots: 1,
            queue: 0,
            queue_wait: Duration::ZERO,
            start_timeout: Duration::from_secs(60),
            probe_interval: Duration::from_secs(5),
            backoff_initial: Duration::from_secs(1),
            backoff_floor: Duration::from_millis(500),
            stable_after: Duration::from_secs(60),
            circuit_failures: 5,
            circuit_open: Duration::from_secs(30),
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

    fn draw(stream: &mut Stream) -> Self {
        // Storms must be possible within a run.
        let hasty = stream.one_in(4);
        let profile = Profile::draw(stream);
        Self {
            profile,
            autostart: !stream.one_in(4),
            slots: 1 + stream.below(8),
            queue: stream.below(5),
            queue_wait: secs(stream.below(6)),
            start_timeout: secs(10 + stream.below(60)) + profile.patience(),
            probe_interval: secs(stream.below(8)),
            backoff_initial: if hasty { Duration::ZERO } else { Duration::from_secs(1) },
            backoff_floor: if hasty { Duration::ZERO } else { Duration::from_millis(500) },
            stable_after: secs(10 + stream.below(120)),
            circuit_failures: stream.below(6),
            circuit_open: secs(5 + stream.below(60)),
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
        let policy = &mut spec.policy;
        policy.lease.slots = self.slots;
        policy.lease.queue = self.queue;
        policy.lease.queue_wait = self.queue_wait;
        policy.start.timeout = self.start_timeout;
        policy.liveness.interval = self.probe_interval;
        policy.liveness.log_is_trusted = self.log_is_trusted;
        let restart = &mut policy.restart;
        (restart.backoff_initial, restart.backoff_floor) = (self.backoff_initial, self.backoff_floor);
        (restart.stable_after, restart.circuit_failures) = (self.stable_after, self.circuit_failures);
        (restart.circuit_open, restart.storm_restarts) = (self.circuit_open, self.storm_restarts);
        restart.window_restarts = self.window_restarts;
        spec
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

fn secs(secs: u32) -> Duration {
    Duration::from_secs(secs.into())
}
