//! The simulated host: drives the real core by its documented contract, instant by instant.
//!
//! ```text
//! agenda ── occurrence ──→ Host::handle ──→ effects ──→ agenda (what they lead to, and when)
//! ```
//! `occurrences` says what happens when an entry of the agenda is due, `effects` what the core's effects
//! lead to. After every step every oracle looks.

mod config;
mod effects;
mod occurrences;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pool_manager::telemetry::{Metrics, Record, Subject, record};
use pool_manager_core::{
    Answer, CommandId, Correlation, EngineRef, Event, EventKind, Holder, Host, Input, LeaseId, PoolName,
    PoolSpec, PoolUid, Priority, Refusal, SpecHash, Time, Verb, View,
};

pub use config::{Latencies, TurnOrder, WorldConfig, test_pool};

use crate::agenda::Agenda;
use crate::clients::{Clients, Request, Traffic};
use crate::disk::Disk;
use crate::engine::{Ending, EngineHealth, EngineProfile};
use crate::operator::Operator;
use crate::oracle::{self, Observed, Oracle, Violation};
use crate::process_table::ProcessTable;
use crate::random::{Entity, Stream};
use crate::trace::Trace;
use occurrences::Occurrence;

/// One simulated host.
#[derive(Debug)]
pub struct World {
    seed: u64,
    now: Time,
    host: Host,
    agenda: Agenda<Occurrence>,
    order: TurnOrder,
    /// Turns taken at this very instant; many mean a busy loop.
    turns_now: u32,
    latencies: Latencies,
    profiles: BTreeMap<SpecHash, EngineProfile>,
    names: BTreeMap<PoolUid, PoolName>,
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
    oracles: Vec<Box<dyn Oracle>>,
    trace: Trace,
    telemetry: Option<Telemetry>,
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

/// More turns than this in one instant are a busy loop.
const MOST_TURNS: u32 = 1000;
/// More timers than this in one turn are a busy loop: more than pools × kinds × leases of any test.
const MOST_TIMERS: u32 = 100_000;

impl World {
    /// An empty host at time zero.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let WorldConfig { seed, host, latencies, order } = config;
        Self {
            seed,
            now: Time::ZERO,
            host: Host::new(host, seed, Time::ZERO),
            agenda: Agenda::new(Stream::new(seed, Entity::Agenda)),
            order,
            turns_now: 0,
            latencies,
            profiles: BTreeMap::new(),
            names: BTreeMap::new(),
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
            oracles: oracle::all(),
            trace: Trace::default(),
            telemetry: None,
            exited: false,
        }
    }

    /// From now on keeps events, log records and metrics; a long run without an observer need not.
    pub fn watch(&mut self) {
        self.telemetry.get_or_insert_default();
    }

    /// Adds an oracle to the built-in ones.
    pub fn add_oracle(&mut self, oracle: Box<dyn Oracle>) {
        self.oracles.push(oracle);
    }

    /// Registers a pool whose engines behave as the profile says, in this instant.
    ///
    /// # Errors
    /// The core's refusal.
    pub fn register(&mut self, spec: PoolSpec, profile: EngineProfile) -> Result<PoolUid, Refusal> {
        let name = spec.name.clone();
        self.profiles.insert(spec.engine.hash, profile);
        let command = self.next_command();
        self.awaited.insert(command);
        let correlation = correlation_of(command);
        self.send(Input::Register { command, correlation, spec: Box::new(spec) });
        match self.answers.get(&command) {
            Some(Answer::Registered { pool }) => {
                self.names.insert(*pool, name);
                Ok(*pool)
            }
            Some(Answer::Refused(refusal)) => Err(refusal.clone()),
            other => panic!("W04: a registration is answered as such (answered {other:?})"),
        }
    }

    /// An operator's command, in this instant.
    pub fn command(&mut self, pool: PoolUid, verb: Verb) -> CommandId {
        let command = self.next_command();
        self.awaited.insert(command);
        self.send(Input::Command { command, correlation: correlation_of(command), pool, verb });
        command
    }

    /// A lease ask, in this instant. The lease is held until [`World::end_lease`], its time to live, or
    /// the engine's end.
    pub fn ask_lease(&mut self, pool: PoolUid, ttl: Option<Duration>) -> CommandId {
        let input = self.lease_ask(pool, ttl, Priority::Interactive);
        let Input::LeaseAsk { command, .. } = input else { unreachable!("lease_ask makes a lease ask") };
        self.awaited.insert(command);
        self.send(input);
        command
    }

    /// A holder ends its lease, in this instant.
    pub fn end_lease(&mut self, lease: LeaseId) -> CommandId {
        let input = self.lease_end(lease);
        let Input::LeaseEnd { command, .. } = input else { unreachable!("lease_end makes a lease end") };
        self.awaited.insert(command);
        self.send(input);
        command
    }

    /// SIGTERM to the supervisor, in this instant.
    pub fn shut_down(&mut self) {
        let correlation = correlation_of(CommandId(self.commands + 1));
        self.send(Input::Shutdown { correlation });
    }

    /// The whole host is suspended for a while: the clock goes on, nothing else does.
    pub fn suspend(&mut self, by: Duration) {
        self.now = self.now + by;
        self.turns_now = 0;
        self.agenda.shift(by);
        self.feed(Input::Gap { by });
        self.fire_timers();
    }

    /// The supervisor alone is stopped for a while: what happened meanwhile reaches it late, after the
    /// driver has noticed.
    pub fn stall(&mut self, by: Duration) {
        self.now = self.now + by;
        self.turns_now = 0;
        self.feed(Input::Stalled);
        self.run_instant();
    }

    /// The pool's engine dies in this instant. `false`: there is none.
    pub fn crash(&mut self, pool: PoolUid, ending: Ending) -> bool {
        let Some(engine) = self.live_engine(pool) else { return false };
        self.agenda.file(self.now, Occurrence::ProcessEnds { engine, ending });
        self.run_instant();
        true
    }

    /// The pool's engine answers differently from now on. `false`: there is none.
    pub fn set_health(&mut self, pool: PoolUid, health: EngineHealth) -> bool {
        let process = self.live_engine(pool).and_then(|engine| self.processes.get_mut(engine));
        process.is_some_and(|process| {
            process.health = health;
            true
        })
    }

    /// Clients of a pool come and go by themselves.
    pub fn set_traffic(&mut self, pool: PoolUid, traffic: Traffic) {
        self.traffic.insert(pool, traffic);
        self.agenda.file(self.now, Occurrence::ClientAsks(pool));
    }

    /// An operator acts by themselves.
    pub fn set_operator(&mut self, operator: Operator) {
        self.agenda.file(self.now, Occurrence::OperatorActs);
        self.operator = Some(operator);
    }

    /// Nobody does anything of their own any more; what is under way goes on.
    pub fn calm(&mut self) {
        self.traffic.clear();
        self.operator = None;
    }

    /// Runs for a span of virtual time.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.next_event(end) {}
    }

    /// Runs until a condition holds, looking after every turn. `false`: it did not within the bound.
    pub fn run_until(&mut self, bound: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + bound;
        while !holds(self) {
            if !self.next_event(end) {
                return holds(self);
            }
        }
        true
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

    /// The lease holders' books.
    #[must_use]
    pub const fn clients(&self) -> &Clients {
        &self.clients
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

    /// Whether the supervisor has exited.
    #[must_use]
    pub const fn has_exited(&self) -> bool {
        self.exited
    }

    /// Goes to the next instant at which something happens and takes one turn there. `false`: nothing
    /// does up to `end`, where the clock now stands.
    pub fn next_event(&mut self, end: Time) -> bool {
        let timer = self.host.poll_timeout().map(|(at, ..)| at);
        let next = [self.agenda.next_at(), timer].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end && !self.exited) else {
            self.now = self.now.max(end);
            return false;
        };
        if next > self.now {
            self.now = next;
            self.turns_now = 0;
        }
        self.turn();
        true
    }

    /// Takes turns until nothing is due in this instant.
    fn run_instant(&mut self) {
        while self.next_event(self.now) {}
    }

    /// One turn of the driver.
    fn turn(&mut self) {
        self.turns_now += 1;
        self.hold(self.turns_now <= MOST_TURNS, "S36: no busy loop in one instant");
        let mut due = self.agenda.take_due(self.now);
        let timers_at = match self.order {
            TurnOrder::Any => {
                self.agenda.draw_below(u32::try_from(due.len() + 1).unwrap_or(u32::MAX)) as usize
            }
            TurnOrder::Driver => {
                // Stable: the shuffle within each class stays.
                due.sort_by_key(Occurrence::is_after_timers);
                due.iter().filter(|occurrence| !occurrence.is_after_timers()).count()
            }
        };
        let after = due.split_off(timers_at);
        due.into_iter().for_each(|occurrence| self.occur(occurrence));
        self.fire_timers();
        after.into_iter().for_each(|occurrence| self.occur(occurrence));
    }

    /// Feeds a timer for every deadline that is due.
    fn fire_timers(&mut self) {
        let mut fired = 0;
        while self.host.poll_timeout().is_some_and(|(at, ..)| at <= self.now) && !self.exited {
            self.feed(Input::Timer);
            fired += 1;
            self.hold(fired <= MOST_TIMERS, "S36: no deadline stays due after its timer");
        }
    }

    /// One step: an input, its effects, its events, and every oracle.
    fn feed(&mut self, input: Input) {
        if self.exited {
            return;
        }
        self.trace.input(self.now, &input);
        self.ask_oracles(|oracle, _| oracle.input(&input));
        self.host.handle(self.now, input);
        while let Some(effect) = self.host.poll_effect() {
            self.trace.effect(self.now, &effect);
            self.ask_oracles(|oracle, observed| oracle.effect(&effect, observed));
            self.carry_out(effect);
        }
        while let Some(event) = self.host.poll_event() {
            self.show(event);
        }
        self.ask_oracles(|oracle, observed| oracle.step(observed));
    }

    fn show(&mut self, event: Event) {
        if let EventKind::LeaseEnded { lease, how } = event.kind {
            self.clients.told(lease, how);
        }
        let Some(telemetry) = &mut self.telemetry else { return };
        let pool = event.pool.and_then(|uid| self.host.view().pool(uid));
        let subject = pool.map(|pool| Subject::of(&pool, self.now));
        let name = event.pool.and_then(|uid| self.names.get(&uid));
        telemetry.metrics.observe(&event, name.map(PoolName::as_str));
        telemetry.records.push(record(&event, subject.as_ref()));
        telemetry.events.push(event);
    }

    fn ask_oracles(&mut self, mut ask: impl FnMut(&mut dyn Oracle, Observed<'_>) -> Result<(), Violation>) {
        let mut oracles = std::mem::take(&mut self.oracles);
        let observed = Observed {
            now: self.now,
            view: self.host.view(),
            processes: &self.processes,
            disk: &self.disk,
            clients: &self.clients,
        };
        for oracle in &mut oracles {
            if let Err(violation) = ask(oracle.as_mut(), observed) {
                self.fail(&violation.to_string());
            }
        }
        self.oracles = oracles;
    }

    fn hold(&self, holds: bool, invariant: &str) {
        if !holds {
            self.fail(invariant);
        }
    }

    /// The report of a broken invariant.
    fn fail(&self, what: &str) -> ! {
        let Self { seed, now, trace, .. } = self;
        panic!("{what}\n  seed {seed}, at {now}, step {}\n{trace}", trace.steps());
    }

    fn send(&mut self, input: Input) {
        self.agenda.file(self.now, Occurrence::Arrives(input));
        self.run_instant();
    }

    fn next_command(&mut self) -> CommandId {
        self.commands += 1;
        CommandId(self.commands)
    }

    fn lease_ask(&mut self, pool: PoolUid, ttl: Option<Duration>, priority: Priority) -> Input {
        let command = self.next_command();
        self.clients.sent(command, Request::Ask { pool });
        let holder = Holder([u64::from(pool.0), command.0]);
        Input::LeaseAsk { command, correlation: correlation_of(command), pool, holder, priority, ttl }
    }

    fn lease_end(&mut self, lease: LeaseId) -> Input {
        let command = self.next_command();
        self.clients.sent(command, Request::End { lease });
        Input::LeaseEnd { command, lease }
    }

    fn live_engine(&self, pool: PoolUid) -> Option<EngineRef> {
        self.processes.alive(pool).last().map(|process| process.engine)
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
