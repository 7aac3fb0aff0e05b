//! One run of a plan, or of a seed whose plan is written down while it goes on.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use pool_manager_core::Time;

use super::{Plan, Setup, Strike, Swarm, Weather};
use crate::liveness;
use crate::oracle::Oracle;
use crate::world::World;

/// A run, and the plan it follows or writes.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    world: World,
    /// `None`: the plan is followed.
    weather: Option<Weather>,
}

/// What a run without a broken invariant was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything that happened, as one number.
    pub hash: u64,
    /// Inputs of the core.
    pub steps: u64,
    /// What the virtual clock showed at the end.
    pub simulated: Duration,
    /// How often each family of faults struck.
    pub struck: BTreeMap<&'static str, u64>,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name: a letter and two digits; `panic` where something panicked that has none.
    pub invariant: String,
    /// What was seen.
    pub what: String,
    /// When, on the virtual clock.
    pub at: Duration,
    /// At which step.
    pub step: u64,
    /// The last steps, one a line.
    pub trace: String,
}

impl Run {
    /// The run of a seed, in the host and the weather that are drawn from it.
    #[must_use]
    pub fn draw(seed: u64, swarm: &Swarm) -> Self {
        Self::under(Setup::draw_with(seed, &swarm.options), swarm)
    }

    /// A run in this host, in the weather of its seed.
    ///
    /// # Panics
    /// When the host cannot be built; [`Plan::check`] says why.
    #[must_use]
    pub fn under(setup: Setup, swarm: &Swarm) -> Self {
        let weather = Weather::draw(setup.seed, swarm);
        Self { weather: Some(weather), ..Self::of(Plan::calm(setup)) }
    }

    /// The run of a plan.
    ///
    /// # Panics
    /// When the host cannot be built; [`Plan::check`] says why.
    #[must_use]
    pub fn of(plan: Plan) -> Self {
        let mut world = match plan.setup.build() {
            Ok(world) => world,
            Err((_, reason)) => panic!("W05: the host of a plan can be built ({reason})"),
        };
        world.keep_journal();
        Self { plan, world, weather: None }
    }

    /// Runs to the end: everything that strikes, then calm, and what must come about.
    ///
    /// # Errors
    /// The invariant that was broken.
    pub fn to_end(&mut self) -> Result<Report, Failure> {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            self.strike();
            liveness::check(&mut self.world);
        }));
        match ran {
            Ok(()) => Ok(self.report()),
            Err(panic) => Err(self.failure(panic.as_ref())),
        }
    }

    /// The plan: the one that is followed, or what was written down so far.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// The world as it is now.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Adds an oracle to the built-in ones.
    pub fn add_oracle(&mut self, oracle: Box<dyn Oracle>) {
        self.world.add_oracle(oracle);
    }

    fn strike(&mut self) {
        let end = Time::ZERO + self.plan.setup.lasts;
        let Self { plan, world, weather } = self;
        match weather {
            // Written down before it strikes: the plan of a failure has its cause.
            Some(weather) => weather.pass(world, end, |at, fault| {
                plan.strikes.push(Strike { at, fault: fault.clone() });
            }),
            None => self.follow_strikes(),
        }
        self.run_to(end);
    }

    fn follow_strikes(&mut self) {
        for place in 0..self.plan.strikes.len() {
            let Strike { at, fault } = self.plan.strikes[place].clone();
            self.run_to(Time::ZERO + at);
            fault.strike(&mut self.world);
        }
    }

    fn run_to(&mut self, at: Time) {
        self.world.run_for(at.since(self.world.now()));
    }

    fn report(&self) -> Report {
        let trace = self.world.trace();
        Report {
            hash: trace.hash(),
            steps: trace.steps(),
            simulated: self.world.now().since(Time::ZERO),
            struck: self.weather.as_ref().map(|weather| weather.struck().clone()).unwrap_or_default(),
        }
    }

    fn failure(&self, panic: &(dyn Any + Send)) -> Failure {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(said nothing)");
        let what = said.lines().next().unwrap_or_default();
        let name = what.split(':').next().unwrap_or_default();
        let is_name = name.len() == 3 && name.starts_with(|first: char| first.is_ascii_uppercase());
        let trace = self.world.trace();
        Failure {
            invariant: if is_name { name.to_owned() } else { "panic".to_owned() },
            what: what.to_owned(),
            at: self.world.now().since(Time::ZERO),
            step: trace.steps(),
            trace: trace.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = humantime::format_duration(self.at);
        write!(f, "{}\n  at {at}, step {}\n{}", self.what, self.step, self.trace)
    }
}
