//! The host: every pool, the books they share, and the one entrance for everything that happens.
//!
//! ```text
//! input -> Host::handle -> pool -> effects (for executors) and events (for observers)
//! ```
//! A driver feeds one input, drains [`Host::poll_effect`] and [`Host::poll_event`] to `None`, and
//! feeds the next; when [`Host::poll_timeout`] comes due it feeds [`Input::Timer`]. Nothing here reads a
//! clock or a file, so the same inputs always give the same effects.

mod fingerprint;
mod recall;
mod resume;
mod view;

pub use view::View;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Refusal};
use crate::deadline::{DeadlineIndex, Due};
use crate::device::Quarantine;
use crate::effect::{Effect, Signal};
use crate::event::{Event, EventKind};
use crate::id::{CommandId, Correlation, EffectId, EngineRef, LeaseId, PoolName, PoolUid};
use crate::input::{Completion, Input, Verb};
use crate::lease::Endings;
use crate::limiter::Limiter;
use crate::operation::Outcomes;
use crate::pool::{Books, Cx, LeaseAsk, Outbox, Pool};
use crate::spec::{HostConfig, PoolSpec};
use crate::time::Time;
use crate::verdict::LogEvidence;

/// The state machine of one GPU host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    config: HostConfig,
    seed: u64,
    now: Time,
    pools: BTreeMap<PoolUid, Pool>,
    names: BTreeMap<PoolName, PoolUid>,
    /// Uids are counted, never reused.
    registered: u32,
    deadlines: DeadlineIndex,
    outbox: Outbox,
    books: Books,
    closing: Option<Closing>,
    /// Spawns that pools gave up before they were forgotten: should one succeed after all, its process
    /// is stopped at once.
    orphaned_spawns: BTreeMap<EffectId, EngineRef>,
    /// Rises when something changed that a watcher wants to know at once; not on lease counts.
    version: u64,
}

/// How long the exit waits, when all else is at rest, for the answers of spawns that were given up.
const LATE_SPAWNS_WITHIN: Duration = Duration::from_secs(10);

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Closing {
    Draining,
    /// Only spawns that were given up are left; they are waited for until then.
    LateSpawns {
        until: Time,
    },
    /// [`Effect::Exit`] was given.
    Over,
}

impl Host {
    /// An empty host. The seed decides every jitter; `now` is the clock's reading.
    #[must_use]
    pub fn new(config: HostConfig, seed: u64, now: Time) -> Self {
        let books = Books {
            outcomes: Outcomes::default(),
            endings: Endings::default(),
            operations_issued: 0,
            limiter: Limiter::new(config.limiter.clone()),
            quarantine: Quarantine::default(),
        };
        Self {
            config,
            seed,
            now,
            pools: BTreeMap::new(),
            names: BTreeMap::new(),
            registered: 0,
            deadlines: DeadlineIndex::default(),
            outbox: Outbox::default(),
            books,
            closing: None,
            orphaned_spawns: BTreeMap::new(),
            version: 0,
        }
    }

    /// Handles one input. Total: an operator's mistake is a typed refusal in the reply, stale news is
    /// counted and dropped.
    ///
    /// # Panics
    /// When time runs backwards, which is a bug of the driver (`H01`); in debug builds also when
    /// effects of the previous input were not drained (`H02`).
    pub fn handle(&mut self, now: Time, input: Input) {
        assert!(now >= self.now, "H01: time runs backwards");
        debug_assert!(self.outbox.effects.is_empty(), "H02: effects of the last input were not drained");
        self.now = now;
        match input {
            Input::Command { command, correlation, pool, verb } => match self.port_refusal(pool, &verb) {
                Some(refusal) => self.reply(command, Answer::Refused(refusal)),
                None => self.ask_pool(command, Some(correlation), pool, |pool, cx| {
                    pool.command(cx, command, correlation, verb);
                }),
            },
            Input::Completed { effect, result } => {
                self.stop_orphan(effect, &result);
                self.tell_pool(effect.pool, |pool, cx| pool.completed(cx, effect.sequence, result));
            }
            Input::Exited { engine, status } => {
                self.orphaned_spawns.retain(|_, orphan| *orphan != engine);
                self.tell_pool(engine.pool, |pool, cx| pool.exited(cx, engine.incarnation, status));
            }
            Input::GpuFault { pool, xid } => self.tell_pool(pool, |pool, cx| pool.gpu_fault(cx, xid)),
            Input::Gap { by } => self.in_every_pool(|pool, cx| pool.gap(cx, by)),
            Input::LeaseAsk { command, correlation, pool, holder, priority, ttl } => {
                let ask = LeaseAsk { command, correlation, holder, priority, ttl };
                self.ask_pool(command, Some(correlation), pool, |pool, cx| pool.lease_ask(cx, ask));
            }
            Input::LeaseEnd { command, lease } => {
                self.ask_lease(command, lease, |pool, cx| pool.lease_end(cx, command, lease));
            }
            Input::LeaseRenew { command, lease, ttl } => {
                self.ask_lease(command, lease, |pool, cx| pool.lease_renew(cx, command, lease, ttl));
            }
            Input::LeaseWithdraw { pool, ask } => {
                self.in_pool(pool, None, |pool, cx| pool.lease_withdraw(cx, ask));
            }
            Input::LogLine { engine, class, offset } => {
                let line = LogEvidence { class, offset };
                self.tell_pool(engine.pool, |pool, cx| pool.log_line(cx, engine.incarnation, line));
            }
            Input::Register { command, correlation, spec } => self.register(command, correlation, *spec),
            Input::Resume(resume) => self.resume(&resume),
            Input::Shutdown { correlation } => self.shut_down(correlation),
            Input::StageProgress { effect } => {
                self.tell_pool(effect.pool, |pool, cx| pool.stage_progress(cx, effect.sequence));
            }
            Input::Stalled => self.in_every_pool(|pool, cx| pool.stalled(cx)),
            Input::Timer => self.fire_one(),
        }
        if self.books.quarantine.take_healed() {
            self.in_every_pool(|pool, cx| pool.quarantine_healed(cx));
        }
        self.wake_who_may_load();
        self.exit_when_at_rest();
    }

    /// The next effect, in order; drain to `None` before the next [`Host::handle`].
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.outbox.effects.pop_front()
    }

    /// The next event, in order. For observers only.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outbox.events.pop_front()
    }

    /// The next deadline, whose it is (`None`: the host's own), and what it is for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Time, Option<PoolUid>, Due)> {
        let of_pool = self.next_pool_deadline().map(|(at, uid, due)| (at, Some(uid), due));
        let own = match self.closing {
            Some(Closing::LateSpawns { until }) => Some((until, None, Due::SpawnAnswer)),
            Some(Closing::Draining | Closing::Over) | None => None,
        };
        of_pool.into_iter().chain(own).min()
    }

    /// What readers see, between two inputs.
    #[must_use]
    pub const fn view(&self) -> View<'_> {
        View { host: self }
    }

    fn register(&mut self, command: CommandId, correlation: Correlation, spec: PoolSpec) {
        if let Some(refusal) = self.registration_refusal(&spec) {
            return self.reply(command, Answer::Refused(refusal));
        }
        self.registered += 1;
        let uid = PoolUid(self.registered);
        self.reply(command, Answer::Registered { pool: uid });
        self.names.insert(spec.name.clone(), uid);
        let mut cx = Cx {
            now: self.now,
            seed: self.seed,
            epoch: self.config.epoch,
            pools: self.pools.len() + 1,
            closing: false,
            correlation: Some(correlation),
            outbox: &mut self.outbox,
            books: &mut self.books,
        };
        let pool = Pool::register(uid, spec, &mut cx);
        self.deadlines.refile(uid, None, pool.next_deadline().map(|(at, _)| at));
        self.pools.insert(uid, pool);
        self.version += 1;
    }

    fn registration_refusal(&self, spec: &PoolSpec) -> Option<Refusal> {
        if self.closing.is_some() {
            return Some(Refusal::ShuttingDown);
        }
        if let Some(by) = self.names.get(&spec.name) {
            return Some(Refusal::NameTaken { by: *by });
        }
        let port = spec.engine.port?;
        self.port_holder(port, None).map(|by| Refusal::PortTaken { port, by })
    }

    /// A reload to a port of another pool would have both commit it.
    fn port_refusal(&self, uid: PoolUid, verb: &Verb) -> Option<Refusal> {
        let Verb::Reload(reload) = verb else { return None };
        if self.closing.is_some() {
            return None;
        }
        let port = self.pools.get(&uid)?.port_after(&reload.to)?;
        self.port_holder(port, Some(uid)).map(|by| Refusal::PortTaken { port, by })
    }

    fn port_holder(&self, port: u16, but: Option<PoolUid>) -> Option<PoolUid> {
        let others = self.pools.iter().filter(|(uid, _)| Some(**uid) != but);
        others.into_iter().find(|(_, pool)| pool.claims_port(port)).map(|(uid, _)| *uid)
    }

    fn shut_down(&mut self, correlation: Correlation) {
        let forced = self.closing.is_some();
        self.outbox.events.push_back(Event {
            at: self.now,
            pool: None,
            incarnation: None,
            correlation: Some(correlation),
            kind: EventKind::ShutdownStarted { forced },
        });
        self.closing = self.closing.or(Some(Closing::Draining));
        let patience = self.config.shutdown_deadline;
        self.in_every_pool(|pool, cx| pool.shut_down(cx, correlation, patience, forced));
    }

    /// A spawn that outlived its pool is answered: a process that came of it is stopped.
    fn stop_orphan(&mut self, effect: EffectId, result: &Completion) {
        let orphan = self.orphaned_spawns.remove(&effect);
        if let (Some(engine), Completion::Spawned(Ok(_))) = (orphan, result) {
            self.kill_orphan(engine);
        }
    }

    fn kill_orphan(&mut self, engine: EngineRef) {
        let signal = Signal::KillTree;
        self.outbox.effects.push_back(Effect::Signal { engine, signal });
        self.outbox.events.push_back(Event {
            at: self.now,
            pool: Some(engine.pool),
            incarnation: Some(engine.incarnation),
            correlation: None,
            kind: EventKind::Signalled { signal },
        });
    }

    /// News of the host itself.
    fn tell(&mut self, kind: EventKind) {
        let at = self.now;
        let event = Event { at, pool: None, incarnation: None, correlation: None, kind };
        self.outbox.events.push_back(event);
    }

    fn next_pool_deadline(&self) -> Option<(Time, PoolUid, Due)> {
        let (at, uid) = self.deadlines.earliest()?;
        let (_, due) = self.pools.get(&uid)?.next_deadline()?;
        Some((at, uid, due))
    }

    /// Fires the earliest deadline of a pool, if it is due. The host's own is looked at after every input.
    fn fire_one(&mut self) {
        let Some((at, uid, due)) = self.next_pool_deadline() else { return };
        if at <= self.now {
            self.in_pool(uid, None, |pool, cx| pool.timer(cx, due));
        }
    }

    /// Lets those load who wait for it, as far as there is room.
    fn wake_who_may_load(&mut self) {
        while let Some(uid) = self.books.limiter.next() {
            let woken = self.in_pool(uid, None, |pool, cx| pool.pass_gates(cx));
            if !woken || self.books.limiter.next() == Some(uid) {
                // It does not want to any more, or another of its gates has closed: it asks again by itself.
                self.books.limiter.forget_waiting(uid);
            }
        }
    }

    fn exit_when_at_rest(&mut self) {
        let until = match self.closing {
            Some(Closing::Draining) => self.now + LATE_SPAWNS_WITHIN,
            Some(Closing::LateSpawns { until }) => until,
            Some(Closing::Over) | None => return,
        };
        if !self.pools.values().all(Pool::is_at_rest) {
            self.closing = Some(Closing::Draining);
            return;
        }
        let answered = self.orphaned_spawns.is_empty() && !self.pools.values().any(Pool::awaits_late_spawn);
        if answered || self.now >= until {
            self.closing = Some(Closing::Over);
            self.outbox.effects.push_back(Effect::Exit);
        } else {
            self.closing = Some(Closing::LateSpawns { until });
        }
    }

    /// A command about a pool; a pool that is not there is refused.
    fn ask_pool(
        &mut self,
        command: CommandId,
        correlation: Option<Correlation>,
        uid: PoolUid,
        ask: impl FnOnce(&mut Pool, &mut Cx<'_>),
    ) {
        if !self.in_pool(uid, correlation, ask) {
            self.reply(command, Answer::Refused(Refusal::UnknownPool));
        }
    }

    fn ask_lease(&mut self, command: CommandId, lease: LeaseId, ask: impl FnOnce(&mut Pool, &mut Cx<'_>)) {
        if !self.in_pool(lease.engine.pool, None, ask) {
            let answer = match self.books.endings.find(lease) {
                Some(how) => Answer::LeaseEndedBefore { how: Some(how) },
                None => Answer::Refused(Refusal::UnknownLease),
            };
            self.reply(command, answer);
        }
    }

    /// News about a pool; of one that is not there any more it is stale.
    fn tell_pool(&mut self, uid: PoolUid, tell: impl FnOnce(&mut Pool, &mut Cx<'_>)) {
        if !self.in_pool(uid, None, tell) {
            self.outbox.events.push_back(Event {
                at: self.now,
                pool: Some(uid),
                incarnation: None,
                correlation: None,
                kind: EventKind::StaleInput,
            });
        }
    }

    fn in_every_pool(&mut self, mut act: impl FnMut(&mut Pool, &mut Cx<'_>)) {
        let uids: Vec<PoolUid> = self.pools.keys().copied().collect();
        for uid in uids {
            self.in_pool(uid, None, &mut act);
        }
    }

    /// Lets a pool act, then files its deadline, counts what watchers must know, and forgets it when
    /// it is gone. `false`: there is no such pool.
    fn in_pool(
        &mut self,
        uid: PoolUid,
        correlation: Option<Correlation>,
        act: impl FnOnce(&mut Pool, &mut Cx<'_>),
    ) -> bool {
        let pools = self.pools.len();
        let Some(pool) = self.pools.get_mut(&uid) else { return false };
        let before = (pool.next_deadline().map(|(at, _)| at), pool.watched());
        let mut cx = Cx {
            now: self.now,
            seed: self.seed,
            epoch: self.config.epoch,
            pools,
            closing: self.closing.is_some(),
            correlation,
            outbox: &mut self.outbox,
            books: &mut self.books,
        };
        act(pool, &mut cx);
        let after = (pool.next_deadline().map(|(at, _)| at), pool.watched());
        self.version += u64::from(before.1 != after.1);
        let (gone, load) = (pool.is_gone(), pool.load());
        if !self.books.limiter.is_idle() {
            self.books.limiter.follow(uid, load);
        }
        if gone {
            self.deadlines.refile(uid, before.0, None);
            self.names.remove(pool.name());
            let spawns = self.pools.remove(&uid).into_iter().flat_map(Pool::into_abandoned_spawns);
            self.orphaned_spawns.extend(spawns);
            self.version += 1;
        } else {
            self.deadlines.refile(uid, before.0, after.0);
        }
        true
    }

    fn reply(&mut self, command: CommandId, answer: Answer) {
        self.outbox.effects.push_back(Effect::Reply { command, answer: Box::new(answer) });
    }
}
