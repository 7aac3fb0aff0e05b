//! How the simulated host moves: to the next instant, turn by turn as the daemon's driver does, and step by
//! step with every oracle looking on.

use std::time::Duration;

use pool_manager::telemetry::{Subject, record};
use pool_manager_core::{Event, EventKind, Input, PoolName, PoolUid, Time};

use super::{EffectKind, Occurrence, TurnOrder, World};
use crate::draws;
use crate::oracle::{Observed, Oracle, Oracles, Violation, quiet_timer};

/// More turns than this in one instant are a busy loop.
const MOST_TURNS: u32 = 1000;
/// More timers than this in one turn are a busy loop: more than pools × kinds × leases of any test.
const MOST_TIMERS: u32 = 100_000;

impl World {
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

    /// Goes to the next instant at which something happens and takes one turn there. `false`: nothing
    /// does up to `end`, where the clock now stands.
    pub fn next_event(&mut self, end: Time) -> bool {
        let timer = self.host.poll_timeout().map(|(at, ..)| self.clock.fires_at(at));
        let timer = timer.filter(|_| !self.is_down());
        let next = [self.agenda.next_at(), timer].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end && !self.exited) else {
            self.now = self.now.max(end);
            return false;
        };
        if next > self.now {
            self.now = next;
            self.turns_now = 0;
            draws::now(next);
        }
        self.turn();
        true
    }

    /// Takes turns until nothing is due in this instant.
    pub(super) fn run_instant(&mut self) {
        while self.next_event(self.now) {}
    }

    /// One turn of the driver.
    fn turn(&mut self) {
        self.turns_now += 1;
        self.hold(self.turns_now <= MOST_TURNS, "S36: no busy loop in one instant");
        let mut due = self.agenda.take_due(self.now, Occurrence::file_queue);
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
        self.ask_about_next();
    }

    /// Feeds a timer for every deadline that is due.
    pub(super) fn fire_timers(&mut self) {
        let mut fired = 0;
        while self.host.poll_timeout().is_some_and(|(at, ..)| self.clock.fires_at(at) <= self.now)
            && !self.exited
            && !self.is_down()
        {
            self.feed(Input::Timer);
            fired += 1;
            if fired > MOST_TIMERS {
                self.fail(&format!(
                    "S36: no deadline stays due after its timer ({:?})",
                    self.host.poll_timeout()
                ));
            }
        }
        // A clock that is late leaves deadlines due.
        let none_is_due = self.host.poll_timeout().is_none_or(|(at, ..)| at > self.now);
        let is_up = !self.exited && !self.is_down();
        if fired > 0 && none_is_due && is_up && self.trace.steps() - self.timer_doubted >= quiet_timer::EVERY
        {
            self.timer_doubted = self.trace.steps();
            if let Err(violation) = quiet_timer::check(&self.host, self.now) {
                self.fail(&violation.to_string());
            }
        }
    }

    /// One step: an input, its effects, its events, and every oracle.
    pub(super) fn feed(&mut self, input: Input) {
        // Whoever calls a supervisor that is not there hears nothing.
        if self.exited || self.is_down() || self.is_refused(&input) {
            return;
        }
        self.tend_journal();
        if self.dies_writing(&input) {
            return;
        }
        self.note_touched(&input);
        self.trace.input(self.now, &input);
        let due = if input == Input::Timer { self.host.poll_timeout() } else { None };
        self.marks.input(&input, due, self.host.view());
        self.ask(|oracles, before| oracles.input(&input, before));
        if let Some(journal) = &mut self.journal {
            journal.input(self.now, &input);
        }
        self.host.handle(self.now, input);
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(std::iter::from_fn(|| self.host.poll_effect()));
        if let Some(journal) = &mut self.journal {
            journal.handled(&effects);
        }
        if self.dies_between(None, effects.first()) {
            return self.die_in_step(effects);
        }
        let mut left = effects.drain(..).peekable();
        while let Some(effect) = left.next() {
            self.touched.extend(effect.pool());
            self.trace.effect(self.now, &effect);
            self.marks.effect(&effect);
            self.ask(|oracles, observed| oracles.effect(&effect, observed));
            let kind = EffectKind::of(&effect);
            self.carry_out(effect);
            if self.dies_between(Some(kind), left.peek()) {
                return self.die_in_step(left);
            }
        }
        drop(left);
        self.effects = effects;
        while let Some(event) = self.host.poll_event() {
            self.touched.extend(event.pool);
            self.marks.event(&event, self.host.view());
            self.ask(|oracles, observed| oracles.event(&event, observed));
            self.show(event);
        }
        self.ask_about_touched();
        self.ask(|oracles, observed| oracles.step(observed));
    }

    /// Whom an input is about; everybody, where it is about no pool in particular.
    fn note_touched(&mut self, input: &Input) {
        let one = match input {
            Input::Command { pool, .. }
            | Input::GpuFault { pool, .. }
            | Input::LeaseAsk { pool, .. }
            | Input::LeaseWithdraw { pool, .. } => Some(*pool),
            Input::Completed { effect, .. } | Input::StageProgress { effect } => Some(effect.pool),
            Input::Exited { engine, .. } | Input::LogLine { engine, .. } => Some(engine.pool),
            Input::LeaseEnd { lease, .. } | Input::LeaseRenew { lease, .. } => Some(lease.engine.pool),
            Input::Timer => self.host.poll_timeout().and_then(|(_, pool, _)| pool),
            Input::Gap { .. }
            | Input::Register { .. }
            | Input::Resume(_)
            | Input::Shutdown { .. }
            | Input::Stalled => {
                self.touched.extend_from_slice(&self.places);
                None
            }
        };
        self.about = one;
        self.touched.extend(one);
    }

    fn ask_about_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched.drain(..).for_each(|pool| self.ask_about(pool));
        self.touched = touched;
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

    /// A pool that no step was about must be as it was: one a turn is looked at all the same, each in its turn.
    fn ask_about_next(&mut self) {
        if self.places.is_empty() || self.is_down() {
            return;
        }
        self.looked = (self.looked + 1) % self.places.len();
        self.ask_about(self.places[self.looked]);
    }

    fn ask_about(&mut self, pool: PoolUid) {
        let Self { oracles, marks, now, about, config, host, processes, disk, clients, .. } = self;
        let view = host.view();
        let Some(pool) = view.pool(pool) else { return };
        marks.pool(&pool);
        let observed = Observed { now: *now, about: *about, config, view, processes, disk, clients };
        if let Err(violation) = oracles.pool(&pool, observed) {
            self.fail(&violation.to_string());
        }
    }

    fn ask(&mut self, ask: impl FnOnce(&mut Oracles, Observed<'_>) -> Result<(), Violation>) {
        let Self { oracles, now, about, config, host, processes, disk, clients, .. } = self;
        let view = host.view();
        let observed = Observed { now: *now, about: *about, config, view, processes, disk, clients };
        if let Err(violation) = ask(oracles, observed) {
            self.fail(&violation.to_string());
        }
    }

    pub(crate) fn hold(&self, holds: bool, invariant: &str) {
        if !holds {
            self.fail(invariant);
        }
    }

    /// The report of a broken invariant.
    pub(crate) fn fail(&self, what: &str) -> ! {
        let Self { seed, now, trace, .. } = self;
        panic!("{what}\n  seed {seed}, at {now}, step {}\n{trace}", trace.steps());
    }
}
