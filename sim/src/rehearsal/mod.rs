//! A rehearsal: the operator's own config in the simulated host, for hours, in a weather they choose. It answers
//! what a person wants to know before production does: how much of the time each pool serves, what brings it
//! down, for how long, and what that costs those who hold leases.
//!
//! `poolsim run` calls it. `ledger` keeps the books while it runs, [`timeline`] and [`picture`] draw them.

mod ledger;
pub mod picture;
pub mod timeline;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use pool_manager::config::Config;
use pool_manager_core::{HostConfig, LeaseEnding, Time};
use serde::Serialize;

pub use ledger::{Segment, State};

use crate::clients::Traffic;
use crate::plan::Weather;
use crate::profile::Profile;
use crate::random::Span;
use crate::world::{Latencies, TurnOrder, World, WorldConfig};
use ledger::{Ledger, PoolBooks};

/// What is rehearsed.
#[derive(Clone, Debug)]
pub struct Rehearsal<'a> {
    /// The operator's config.
    pub config: &'a Config,
    /// Decides every draw.
    pub seed: u64,
    /// How long.
    pub lasts: Duration,
    /// How the engines of a pool behave, where it is not what its engine's name says.
    pub profiles: BTreeMap<String, Profile>,
    /// Between two asks for a lease, at most, in every pool; zero: nobody asks.
    pub asks_every: Duration,
    /// From grant to end of a lease, at most.
    pub work: Duration,
    /// What strikes, and how often on average: families of faults by name.
    pub faults: Vec<(&'static str, Duration)>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// How long, in seconds of the virtual clock.
    pub simulated_seconds: u64,
    /// Inputs of the core.
    pub steps: u64,
    /// How often each family of faults struck.
    pub faults: BTreeMap<&'static str, u64>,
    /// Every pool, by name.
    pub pools: Vec<PoolOutcome>,
}

/// What came of one pool. Times are of the virtual clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolOutcome {
    /// Its name.
    pub pool: String,
    /// Of the time it was wanted: how much it served, in hundred thousandths (99 950 is 99.95 %).
    pub availability_per_100_000: u32,
    /// How often it stopped serving although it was wanted.
    pub outages: u64,
    /// The longest of them, after it was first ready.
    #[serde(rename = "longest_outage_seconds", serialize_with = "seconds")]
    pub longest_outage: Duration,
    /// From the first start to the first lease it could have granted; `None`: it never came up.
    #[serde(rename = "first_ready_seconds", serialize_with = "seconds_or_none")]
    pub first_ready: Option<Duration>,
    /// Crashes by the class of their verdict: each led to a restart, or to a circuit that opened.
    pub crashes: BTreeMap<&'static str, u64>,
    /// Restart storms.
    pub storms: u64,
    /// Seconds in each state.
    #[serde(rename = "seconds_in", serialize_with = "seconds_in")]
    pub time_in: BTreeMap<State, Duration>,
    /// Leases, by how they ended; those still held are `active`.
    pub leases: BTreeMap<&'static str, u64>,
    /// The states it went through, oldest first.
    #[serde(skip)]
    pub timeline: Vec<Segment>,
}

/// A config that cannot be rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible(String);

/// A slice of a rehearsal; between two of them a caller may say how far it is.
const SLICE: Duration = Duration::from_secs(60);

impl Rehearsal<'_> {
    /// Runs it. `progress` hears how much of the virtual time has passed.
    ///
    /// # Errors
    /// Why the host cannot be built, in one line.
    ///
    /// # Panics
    /// With an invariant's name, when the core breaks one.
    pub fn run(&self, mut progress: impl FnMut(&World)) -> Result<(Outcome, World), Impossible> {
        let ledger = Rc::new(RefCell::new(Ledger::default()));
        let mut world = self.world(&ledger)?;
        let mut weather = Weather::of(self.seed, &self.faults);
        let end = Time::ZERO + self.lasts;
        while world.now() < end {
            let slice = (world.now() + SLICE).min(end);
            weather.pass(&mut world, slice, |_, _| {});
            progress(&world);
        }
        let outcome = self.outcome(&world, &weather, &ledger.borrow());
        Ok((outcome, world))
    }

    fn world(&self, ledger: &Rc<RefCell<Ledger>>) -> Result<World, Impossible> {
        let host = &self.config.host;
        let mut world = World::new(WorldConfig {
            seed: self.seed,
            host: HostConfig {
                epoch: 1,
                shutdown_deadline: host.shutdown_deadline,
                limiter: host.limiter.clone(),
            },
            latencies: Latencies::busy(),
            order: TurnOrder::Driver,
        });
        world.keep_journal();
        world.add_oracle(Box::new(ledger::Observer(Rc::clone(ledger))));
        for pool in &self.config.pools {
            let name = pool.spec.name.as_str();
            let profile = self.profiles.get(name).copied();
            let profile = profile.unwrap_or_else(|| Profile::of_engine(&pool.spec.engine.catalog.engine));
            let uid = world
                .register(pool.spec.clone(), profile.engine())
                .map_err(|refusal| Impossible(format!("pool {name}: {refusal:?}")))?;
            if !self.asks_every.is_zero() {
                world.set_traffic(uid, self.traffic());
            }
        }
        match self.profiles.keys().find(|name| world.view().uid_of(name).is_none()) {
            Some(name) => Err(Impossible(format!("the config has no pool {name:?}"))),
            None => Ok(world),
        }
    }

    const fn traffic(&self) -> Traffic {
        Traffic {
            every: Span { from: Duration::ZERO, to: self.asks_every },
            work: Span { from: Duration::ZERO, to: self.work },
            forgets_one_in: 0,
            renews_one_in: 0,
            withdraws_one_in: 0,
            ttl: None,
        }
    }

    fn outcome(&self, world: &World, weather: &Weather, ledger: &Ledger) -> Outcome {
        let pools = ledger.pools.iter().filter_map(|(uid, books)| {
            let name = world.view().pool(*uid)?.name.to_string();
            let book = world.clients().book(*uid);
            let mut leases = BTreeMap::new();
            if let Some(book) = book {
                leases.insert("active", book.active.len() as u64);
                leases.insert(LeaseEnding::Completed.label(), book.completed);
                for ending in [LeaseEnding::Cut, LeaseEnding::Expired, LeaseEnding::Lost] {
                    leases.insert(ending.label(), book.told.get(&ending).copied().unwrap_or_default());
                }
            }
            Some(of_pool(name, books, leases, world.now()))
        });
        let mut pools: Vec<PoolOutcome> = pools.collect();
        pools.sort_by(|one, other| one.pool.cmp(&other.pool));
        Outcome {
            seed: self.seed,
            simulated_seconds: self.lasts.as_secs(),
            steps: world.trace().steps(),
            faults: weather.struck().clone(),
            pools,
        }
    }
}

fn of_pool(pool: String, books: &PoolBooks, leases: BTreeMap<&'static str, u64>, now: Time) -> PoolOutcome {
    let timeline = books.timeline(now);
    let mut time_in = BTreeMap::<State, Duration>::new();
    for segment in &timeline {
        *time_in.entry(segment.state).or_default() += segment.span();
    }
    let outages = outages(&timeline);
    PoolOutcome {
        pool,
        availability_per_100_000: availability(&time_in),
        outages: outages.len() as u64,
        longest_outage: outages.into_iter().max().unwrap_or_default(),
        first_ready: timeline
            .iter()
            .find(|segment| segment.state == State::Serving)
            .map(|segment| segment.from.since(Time::ZERO)),
        crashes: books.crashes.clone(),
        storms: books.storms,
        time_in,
        leases,
        timeline,
    }
}

/// The share of the wanted time in which the pool served, in hundred thousandths.
fn availability(time_in: &BTreeMap<State, Duration>) -> u32 {
    let nanos = |is: &dyn Fn(State) -> bool| -> u128 {
        time_in.iter().filter(|(state, _)| is(**state)).map(|(_, span)| span.as_nanos()).sum()
    };
    let wanted = nanos(&|state| state != State::Stopped);
    let served = nanos(&|state| state == State::Serving);
    u32::try_from((served * 100_000).checked_div(wanted).unwrap_or(0)).unwrap_or(100_000)
}

/// Stretches in which a pool that had been ready was wanted and did not serve.
fn outages(timeline: &[Segment]) -> Vec<Duration> {
    let up = timeline.iter().skip_while(|segment| segment.state != State::Serving);
    let mut outages = Vec::new();
    let mut is_out = false;
    for segment in up {
        match segment.state {
            State::Serving | State::Stopped => is_out = false,
            State::Draining | State::Held | State::Loading | State::Waiting => {
                match outages.last_mut() {
                    Some(outage) if is_out => *outage += segment.span(),
                    Some(_) | None => outages.push(segment.span()),
                }
                is_out = true;
            }
        }
    }
    outages
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Impossible {}

fn seconds<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(span.as_secs_f64())
}

fn seconds_or_none<S: serde::Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    span.map(|span| span.as_secs_f64()).serialize(to)
}

fn seconds_in<S: serde::Serializer>(time_in: &BTreeMap<State, Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(time_in.iter().map(|(state, span)| (state.label(), span.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(of: &[(State, u64)]) -> Vec<Segment> {
        let mut from = Time::ZERO;
        of.iter()
            .map(|(state, secs)| {
                let segment = Segment { state: *state, from, to: from + Duration::from_secs(*secs) };
                from = segment.to;
                segment
            })
            .collect()
    }

    #[test]
    fn the_first_load_is_no_outage_and_neighbours_are_one() {
        use State::{Held, Loading, Serving, Stopped, Waiting};
        let timeline = segments(&[
            (Loading, 30),
            (Serving, 100),
            (Waiting, 2),
            (Loading, 8),
            (Serving, 60),
            (Stopped, 500),
            (Held, 7),
        ]);
        assert_eq!(outages(&timeline), [Duration::from_secs(10), Duration::from_secs(7)]);
        let time_in = timeline.iter().fold(BTreeMap::new(), |mut time_in, segment| {
            *time_in.entry(segment.state).or_default() += segment.span();
            time_in
        });
        assert_eq!(availability(&time_in), 160 * 100_000 / 207);
    }
}
