//! The simulated network: the supervisor's host, the engines', those of a scenario, and the weather between
//! them. Steps until the scenario's time is over; any panic anywhere fails it.

use std::time::{Duration, UNIX_EPOCH};

use turmoil::{Builder, Sim};

use crate::dice::Dice;
use crate::log::Log;
use crate::supervisor::{POOLS, SUPERVISOR, Supervisor};
use crate::{engines, panics};

/// What the network or a machine does. Lasts until [`Fault::Calm`] or [`Fault::Bounce`].
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing passes between two hosts any more; what is under way is lost. Connections that stand are half open:
    /// neither end hears of it.
    Cut(String, String),
    /// Nothing passes from the first to the second.
    OneWay(String, String),
    /// What is sent waits, in both directions.
    Hold(String, String),
    /// Every message between two hosts takes this long.
    Slow(String, String, Duration),
    /// Everything passes again, at once what was held up.
    Calm(String, String),
    /// The software of a host ends; its connections are closed.
    Crash(String),
    /// It starts again.
    Bounce(String),
    /// The engine of a pool, by place, ends by itself.
    EngineDies(usize),
}

pub(crate) struct Stage {
    sim: Sim<'static>,
    pub(crate) supervisor: Supervisor,
    pub(crate) log: Log,
    pub(crate) dice: Dice,
    faults: Vec<(Duration, Fault)>,
}

const TICK: Duration = Duration::from_millis(10);

impl Stage {
    /// A supervisor and its engines on a fast network.
    pub(crate) fn new(seed: u64) -> Self {
        panics::listen();
        let mut sim = Builder::new()
            .rng_seed(seed)
            .epoch(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .tick_duration(TICK)
            .simulation_duration(Duration::from_secs(3600))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(15))
            .enable_random_order()
            .build();
        let log = Log::default();
        let supervisor = Supervisor::new(seed, log.clone());
        let software = supervisor.clone();
        sim.host(SUPERVISOR, move || software.clone().run());
        for (place, process) in supervisor.processes.iter().enumerate() {
            let ((name, port), process) = (Supervisor::engine(place), process.clone());
            sim.host(name, move || engines::host(process.clone(), port));
        }
        Self { sim, supervisor, log, dice: Dice::new(seed, 0), faults: Vec::new() }
    }

    /// One more host. `software` is called at its start and after every bounce.
    pub(crate) fn host<F>(&mut self, name: &str, software: impl Fn() -> F + 'static)
    where
        F: Future<Output = turmoil::Result> + 'static,
    {
        self.sim.host(name.to_owned(), software);
    }

    pub(crate) fn at(&mut self, at: Duration, fault: Fault) {
        self.faults.push((at, fault));
    }

    /// Draws weather between two hosts: bad for a while, calm for a while, from `from` to `to`.
    pub(crate) fn weather(&mut self, a: &str, b: &str, from: Duration, to: Duration) {
        let mut at = from + self.dice.millis(0, 3000);
        while at < to {
            let (a, b) = (a.to_owned(), b.to_owned());
            let fault = match self.dice.below(5) {
                0 => Fault::Cut(a.clone(), b.clone()),
                1 => Fault::OneWay(a.clone(), b.clone()),
                2 => Fault::OneWay(b.clone(), a.clone()),
                3 => Fault::Hold(a.clone(), b.clone()),
                _ => Fault::Slow(a.clone(), b.clone(), self.dice.millis(20, 900)),
            };
            let over = (at + self.dice.millis(50, 4000)).min(to);
            self.at(at, fault);
            self.at(over, Fault::Calm(a, b));
            at = over + self.dice.millis(100, 4000);
        }
    }

    /// Steps until `end`, and lets the faults strike whose time has come.
    pub(crate) fn run_until(&mut self, end: Duration) {
        self.run_while(end, |_| true);
    }

    /// Steps until a host's software has come to its end, which it must before `end`.
    pub(crate) fn run_to_end_of(&mut self, host: &str, end: Duration) {
        self.run_while(end, |stage| stage.is_running(host));
        assert!(!self.is_running(host), "{host} is not through:\n{}", self.tail());
    }

    fn run_while(&mut self, end: Duration, go_on: impl Fn(&mut Self) -> bool) {
        self.faults.sort_by_key(|(at, _)| *at);
        while self.sim.elapsed() < end && go_on(self) {
            let due = self.faults.partition_point(|(at, _)| *at <= self.sim.elapsed());
            for (_, fault) in self.faults.drain(..due).collect::<Vec<_>>() {
                self.strike(fault);
            }
            if let Err(error) = self.sim.step() {
                panic!("the simulation ended: {error}\n{}", self.tail());
            }
            panics::must_be_none();
        }
    }

    /// Whether a host's software has not come to its end.
    pub(crate) fn is_running(&mut self, host: &str) -> bool {
        self.sim.is_host_running(host.to_owned())
    }

    /// The last lines of the log, for a failure.
    pub(crate) fn tail(&self) -> String {
        let lines = self.log.lines();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn strike(&mut self, fault: Fault) {
        self.log.say_at(self.sim.elapsed(), "weather", format_args!("{fault:?}"));
        match fault {
            Fault::Cut(a, b) => self.sim.partition(a, b),
            Fault::OneWay(from, to) => self.sim.partition_oneway(from, to),
            Fault::Hold(a, b) => self.sim.hold(a, b),
            Fault::Slow(a, b, latency) => self.sim.set_link_latency(a, b, latency),
            Fault::Calm(a, b) => {
                self.sim.set_link_latency(a.clone(), b.clone(), Duration::from_millis(5));
                self.sim.release(a, b);
            }
            Fault::Crash(host) => {
                self.freeze(&host, true);
                self.sim.crash(host);
            }
            Fault::Bounce(host) => {
                self.freeze(&host, false);
                self.sim.bounce(host);
            }
            Fault::EngineDies(place) => self.supervisor.engine_dies(place),
        }
    }

    /// An engine's host that has crashed obeys nobody.
    fn freeze(&self, host: &str, frozen: bool) {
        if let Some(place) = (0..POOLS.len()).find(|place| Supervisor::engine(*place).0 == host) {
            self.supervisor.processes[place].freeze(frozen);
        }
    }
}
