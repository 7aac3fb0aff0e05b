//! The simulated host: drives the real core by its documented contract, instant by instant.
//!
//! ```text
//! agenda ── occurrence ──→ Host::handle ──→ effects ──→ agenda (what they lead to, and when)
//! ```
//! `acts` is what somebody outside does, `ail` what goes wrong with an engine, `drive` moves from instant to
//! instant, `occurrences` says what happens when an entry of the agenda is due, `effects` what the core's effects
//! lead to, `engines` how processes begin and end, `holders` what clients do beyond their traffic, `places` what is
//! registered where and what a reload may put there. `crash` is how the supervisor dies, `restart` what its new
//! start finds, which `journal` gives back; `timers`, `adapters`, `sickness` and `trouble` are what else may be
//! wrong with a host. After every step every oracle looks.

mod acts;
mod adapters;
mod ail;
mod config;
mod crash;
mod drive;
mod effects;
mod engines;
mod holders;
mod journal;
mod occurrences;
mod places;
mod restart;
mod sickness;
mod timers;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pool_manager::telemetry::{Metrics, Record};
use pool_manager_core::journal::ReadError;
use pool_manager_core::{
    Answer, CommandId, Correlation, Effect, EngineSpec, Event, Host, HostConfig, LimiterPolicy, OperationId,
    PoolName, PoolSpec, PoolUid, SpecHash, Time, View,
};

pub use adapters::Executor;
pub use config::{Latencies, TurnOrder, WorldConfig, test_pool};
pub use crash::{Crash, CrashPoint, EffectKind};
pub(crate) use holders::Asks;
pub(crate) use places::Model;
pub use restart::{Ends, InFlight, Start, Unacknowledged, Version};
pub use timers::Timers;

use crate::agenda::Agenda;
use crate::canonical;
use crate::clients::{Clients, Traffic};
use crate::disk::Disk;
use crate::engine::EngineProfile;
use crate::fault::Place;
use crate::marks::{Marks, Watcher};
use crate::mishap::Mishaps;
use crate::network::Network;
use crate::operator::Operator;
use crate::oracle::{Oracle, Oracles};
use crate::process_table::ProcessTable;
use crate::random::{Entity, Stream};
use crate::release::Resources;
use crate::staging::Staging;
use crate::trace::Trace;
use adapters::Adapters;
use journal::Journal;
use occurrences::Occurrence;
use timers::Clock;

/// One simulated host.
#[derive(Debug)]
pub struct World {
    seed: u64,
    config: HostConfig,
    /// Which start of the supervisor this is.
    epoch: u32,
    now: Time,
    host: Host,
    agenda: Agenda<Occurrence>,
    order: TurnOrder,
    /// Turns taken at this very instant; many mean a busy loop.
    turns_now: u32,
    latencies: Latencies,
    /// Every spec the host was ever told of.
    specs: BTreeMap<SpecHash, EngineSpec>,
    profiles: BTreeMap<SpecHash, EngineProfile>,
    mishaps: Mishaps,
    /// Nothing strikes any more: engines that are started from now on behave.
    calm: bool,
    staging: Staging,
    resources: Resources,
    network: Network,
    names: BTreeMap<PoolUid, PoolName>,
    /// The newest pool of every name, in the order of their first registration, as plans name them.
    places: Vec<PoolUid>,
    /// How each of them was registered.
    templates: Vec<PoolSpec>,
    processes: ProcessTable,
    disk: Disk,
    clients: Clients,
    traffic: BTreeMap<PoolUid, Traffic>,
    operator: Option<Operator>,
    streams: Streams,
    commands: u64,
    /// Commands whose answers somebody will ask for.
    awaited: BTreeSet<CommandId>,
    answers: BTreeMap<CommandId, Answer>,
    oracles: Box<Oracles>,
    marks: Watcher,
    /// What a step gave, drained at its end: kept for its room.
    effects: Vec<Effect>,
    /// The pools a step touched: kept for its room.
    touched: Vec<PoolUid>,
    /// The pool the present step is about.
    about: Option<PoolUid>,
    /// The step after which a second timer was tried last.
    timer_doubted: u64,
    /// The place of the pool that was looked at last though no step was about it.
    looked: usize,
    trace: Trace,
    telemetry: Option<Telemetry>,
    journal: Option<Journal>,
    /// What a person was told last about a journal that could not be read as a whole.
    journal_said: Option<ReadError>,
    clock: Clock,
    adapters: Adapters,
    /// How the supervisor will die, once its work gets there.
    armed: Option<Crash>,
    /// The supervisor was told to end, and is to be started again so long afterwards.
    back_after: Option<Duration>,
    /// Commands whose answers wait for the journal to be synced.
    durable: BTreeSet<CommandId>,
    /// The supervisor was killed and not started again yet.
    down: bool,
    exited: bool,
}

/// The streams of everyone who draws.
#[derive(Debug)]
struct Streams {
    executors: Stream,
    operator: Stream,
    engines: BTreeMap<PoolUid, Stream>,
    clients: BTreeMap<PoolUid, Stream>,
}

/// What an observer of the daemon would have seen.
#[derive(Debug, Default)]
struct Telemetry {
    metrics: Metrics,
    records: Vec<Record>,
    events: Vec<Event>,
}

impl World {
    /// An empty host at time zero.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let WorldConfig { seed, host, latencies, order } = config;
        Self {
            seed,
            config: host.clone(),
            epoch: host.epoch,
            now: Time::ZERO,
            host: Host::new(host, seed, Time::ZERO),
            agenda: Agenda::new(Stream::new(seed, Entity::Agenda)),
            order,
            turns_now: 0,
            latencies,
            specs: BTreeMap::new(),
            profiles: BTreeMap::new(),
            mishaps: Mishaps::default(),
            calm: false,
            staging: Staging::default(),
            resources: Resources::default(),
            network: Network::default(),
            names: BTreeMap::new(),
            places: Vec::new(),
            templates: Vec::new(),
            processes: ProcessTable::default(),
            disk: Disk::default(),
            clients: Clients::default(),
            traffic: BTreeMap::new(),
            operator: None,
            streams: Streams {
                executors: Stream::new(seed, Entity::Executors),
                operator: Stream::new(seed, Entity::Operator),
                engines: BTreeMap::new(),
                clients: BTreeMap::new(),
            },
            commands: 0,
            awaited: BTreeSet::new(),
            answers: BTreeMap::new(),
            oracles: Box::default(),
            marks: Watcher::default(),
            effects: Vec::new(),
            touched: Vec::new(),
            about: None,
            timer_doubted: 0,
            looked: 0,
            trace: Trace::default(),
            telemetry: None,
            journal: None,
            journal_said: None,
            clock: Clock::default(),
            adapters: Adapters::default(),
            armed: None,
            back_after: None,
            durable: BTreeSet::new(),
            down: false,
            exited: false,
        }
    }

    /// From now on keeps events, log records and metrics; a long run without an observer need not.
    pub fn watch(&mut self) {
        self.telemetry.get_or_insert_default();
    }

    /// Adds an oracle to the built-in ones.
    pub fn add_oracle(&mut self, oracle: Box<dyn Oracle>) {
        self.oracles.add(oracle);
    }

    /// The virtual clock.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// What the core shows.
    #[must_use]
    pub const fn view(&self) -> View<'_> {
        self.host.view()
    }

    /// What really runs.
    #[must_use]
    pub const fn processes(&self) -> &ProcessTable {
        &self.processes
    }

    /// What really is on disk.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// What the provisioner was asked for.
    #[must_use]
    pub const fn staging(&self) -> &Staging {
        &self.staging
    }

    /// Any spec the host was ever told of.
    #[must_use]
    pub fn spec(&self, hash: SpecHash) -> Option<&EngineSpec> {
        self.specs.get(&hash)
    }

    /// The newest pool that was ever registered under a name.
    #[must_use]
    pub fn uid_ever(&self, name: &PoolName) -> Option<PoolUid> {
        self.names.iter().rfind(|(_, known)| *known == name).map(|(uid, _)| *uid)
    }

    /// The pools in the order of their places.
    #[must_use]
    pub fn places(&self) -> &[PoolUid] {
        &self.places
    }

    /// The pool at a place; `None`: the plan has none there.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<PoolUid> {
        self.places.get(place.number()).copied()
    }

    /// The lease holders' books.
    #[must_use]
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Decides every draw.
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    /// The bound of a shutdown's drain.
    pub(crate) const fn shutdown_deadline(&self) -> Duration {
        self.config.shutdown_deadline
    }

    /// The span in which automatic restarts of all pools are counted.
    pub(crate) const fn restarts_within(&self) -> Duration {
        self.config.limiter.restarts_within
    }

    /// What the host's start limiter allows.
    pub(crate) const fn limiter(&self) -> &LimiterPolicy {
        &self.config.limiter
    }

    /// How many bytes the core's whole state is.
    pub(crate) fn size(&self) -> usize {
        let mut bytes = Vec::new();
        canonical::encode(&self.host, &mut bytes);
        bytes.len()
    }

    /// How many of them are operations that ended, which may be asked for later.
    pub(crate) fn size_of_outcomes(&self) -> usize {
        let mut bytes = Vec::new();
        let view = self.host.view();
        let last = view
            .pools()
            .filter_map(|pool| pool.operation.map(|operation| operation.id).max(pool.last_operation))
            .max();
        let last = last.map_or(0, |id| id.0);
        // Pools that were forgotten may have had a later one.
        for operation in
            (last.saturating_sub(1000)..last + 100).filter_map(|id| view.operation(OperationId(id)))
        {
            canonical::encode(operation, &mut bytes);
        }
        bytes.len()
    }

    /// Which coverage marks fired.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        self.marks.marks()
    }

    /// What the run was.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The answer to a command given through this type, once there is one.
    #[must_use]
    pub fn answer(&self, command: CommandId) -> Option<&Answer> {
        self.answers.get(&command)
    }

    /// Log records since [`World::watch`], oldest first.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.telemetry.as_ref().map_or(&[], |telemetry| &telemetry.records)
    }

    /// Events since [`World::watch`], oldest first.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.telemetry.as_ref().map_or(&[], |telemetry| &telemetry.events)
    }

    /// The metrics as a scrape would read them now; empty before [`World::watch`].
    #[must_use]
    pub fn scrape(&self) -> String {
        let Some(Telemetry { metrics, .. }) = &self.telemetry else { return String::new() };
        metrics.observe_view(self.view());
        metrics.encode()
    }

    /// What a person was told last about a journal that could not be read as a whole.
    #[must_use]
    pub const fn journal_said(&self) -> Option<&ReadError> {
        self.journal_said.as_ref()
    }

    /// Whether the supervisor has exited.
    #[must_use]
    pub const fn has_exited(&self) -> bool {
        self.exited
    }
}

impl Streams {
    fn of_engines(&mut self, seed: u64, pool: PoolUid) -> &mut Stream {
        self.engines.entry(pool).or_insert_with(|| Stream::new(seed, Entity::Engines(pool.0)))
    }

    fn of_clients(&mut self, seed: u64, pool: PoolUid) -> &mut Stream {
        self.clients.entry(pool).or_insert_with(|| Stream::new(seed, Entity::Clients(pool.0)))
    }
}

const fn correlation_of(command: CommandId) -> Correlation {
    Correlation([0, command.0])
}
