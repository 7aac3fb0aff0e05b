//! A small true host and forged news of it: the tests of oracles show them sequences that the core never gives.

use std::time::Duration;

use pool_manager_core::{
    Answer, CommandId, Completion, Correlation, CrashClass, Effect, EffectId, EngineRef, Event, EventKind,
    Host, HostConfig, Incarnation, Input, LeaseId, PoolUid, PoolView, ProbeKind, Refusal, ReleaseAnswer,
    SpecHash, Time, Verb, Verdict,
};

use super::Observed;
use crate::clients::{Clients, Request, Stay};
use crate::disk::Disk;
use crate::process_table::ProcessTable;
use crate::world::test_pool;

/// The one pool of the host: registered, at rest, with every policy at its default.
pub(super) const POOL: PoolUid = PoolUid(1);
/// Its spec.
pub(super) const SPEC: SpecHash = SpecHash(7);

/// What an oracle may look at.
#[derive(Debug)]
pub(super) struct Forged {
    pub(super) host: Host,
    pub(super) now: Time,
    pub(super) about: Option<PoolUid>,
    pub(super) config: HostConfig,
    pub(super) disk: Disk,
    clients: Clients,
    processes: ProcessTable,
}

/// The pool's n-th engine.
pub(super) const fn engine(n: u32) -> EngineRef {
    EngineRef { pool: POOL, incarnation: Incarnation { epoch: 1, n } }
}

/// The n-th lease on its first engine.
pub(super) const fn lease(n: u64) -> LeaseId {
    LeaseId { engine: engine(1), sequence: n }
}

const fn effect(sequence: u64) -> EffectId {
    EffectId { pool: POOL, sequence }
}

impl Forged {
    pub(super) fn new() -> Self {
        let (config, now) = (HostConfig::default(), Time::ZERO + Duration::from_secs(1));
        let mut spec = test_pool("a");
        spec.engine.hash = SPEC;
        let mut host = Host::new(config.clone(), 1, now);
        let (command, correlation) = (CommandId(1000), Correlation([0, 0]));
        host.handle(now, Input::Register { command, correlation, spec: Box::new(spec) });
        let mut forged = Self {
            host,
            now,
            about: None,
            config,
            disk: Disk::default(),
            clients: Clients::default(),
            processes: ProcessTable::default(),
        };
        forged.drain_outbox();
        forged
    }

    pub(super) fn observed(&self) -> Observed<'_> {
        Observed {
            now: self.now,
            about: self.about,
            config: &self.config,
            view: self.host.view(),
            processes: &self.processes,
            disk: &self.disk,
            clients: &self.clients,
        }
    }

    pub(super) fn pool(&self) -> PoolView<'_> {
        self.host.view().pool(POOL).expect("the pool is registered")
    }

    /// The pool begins to start; the host now has a deadline.
    pub(super) fn preload(&mut self) {
        self.host.handle(self.now, self.command(1, Verb::Preload));
        self.drain_outbox();
    }

    /// The supervisor goes down.
    pub(super) fn shut_down(&mut self) {
        self.host.handle(self.now, Input::Shutdown { correlation: Correlation([0, 0]) });
        self.drain_outbox();
    }

    /// A client is answered that it holds a lease.
    pub(super) fn client_is_granted(&mut self, n: u64) {
        self.clients.sent(CommandId(n), Request::Ask { pool: POOL, stays: Stay::AsTraffic });
        self.clients.answered(CommandId(n), &Answer::Granted { lease: lease(n), expires: None });
    }

    pub(super) fn command(&self, command: u64, verb: Verb) -> Input {
        Input::Command { command: CommandId(command), correlation: Correlation([0, 0]), pool: POOL, verb }
    }

    /// News of the pool and its first engine.
    pub(super) fn event(&self, kind: EventKind) -> Event {
        self.event_of(1, kind)
    }

    pub(super) fn event_of(&self, n: u32, kind: EventKind) -> Event {
        let incarnation = Some(engine(n).incarnation);
        Event { at: self.now, pool: Some(POOL), incarnation, correlation: None, kind }
    }

    /// Its first engine exited with 1; so many crashes are said.
    pub(super) fn crashed(&self, crashes_total: u64) -> Event {
        let verdict = Box::new(Verdict { class: CrashClass::Exit(1), evidence: Vec::new() });
        self.event(EventKind::Crashed { verdict, uptime: Duration::ZERO, crashes_total })
    }

    pub(super) fn restart_scheduled(&self, delay: Duration, failures: u32) -> Event {
        let base = Duration::from_secs(1);
        let (at, reason) = (self.now + delay, CrashClass::Exit(1));
        self.event(EventKind::RestartScheduled { at, delay, base, failures, reason })
    }

    pub(super) fn spawn(&self, n: u32) -> Effect {
        self.spawn_of(n, SPEC)
    }

    pub(super) fn spawn_of(&self, n: u32, spec: SpecHash) -> Effect {
        Effect::Spawn { id: effect(n.into()), engine: engine(n), spec }
    }

    pub(super) fn probe(&self, sequence: u64, n: u32) -> Effect {
        let (id, kind, timeout) = (effect(sequence), ProbeKind::Readiness, Duration::from_secs(2));
        Effect::Probe { id, engine: engine(n), kind, timeout }
    }

    pub(super) fn check_release(&self, sequence: u64) -> Effect {
        Effect::CheckRelease { id: effect(sequence), spec: SPEC }
    }

    pub(super) fn released(&self, sequence: u64, answer: ReleaseAnswer) -> Input {
        Input::Completed { effect: effect(sequence), result: Completion::Released(answer) }
    }

    pub(super) fn grant(&self, n: u64) -> Effect {
        let answer = Box::new(Answer::Granted { lease: lease(n), expires: None });
        Effect::Reply { command: CommandId(n), answer }
    }

    pub(super) fn refusal(&self, command: u64) -> Effect {
        let answer = Box::new(Answer::Refused(Refusal::NotDraining));
        Effect::Reply { command: CommandId(command), answer }
    }

    fn drain_outbox(&mut self) {
        while self.host.poll_effect().is_some() {}
        while self.host.poll_event().is_some() {}
    }
}
