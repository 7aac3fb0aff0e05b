//! One pool: composes the sub-machines (drain, ladder, liveness, leases, files …), which do not see
//! each other, and is the only place that moves a pool from phase to phase.
//!
//! `host` calls the entry points below, one per input. What a pool asks of the world is in `errands`, its life in `start`
//! (Stopped to Ready), `serve` (leases, liveness), `draining`, `suspect` (CUDA errors of a live engine), `end`
//! (stop, exit, verdict, what next), `supervise` (restart under policy), `replace` (reload), `resume` and
//! `recall` (the supervisor was started again) and `operate` (commands).

mod draining;
mod end;
mod errands;
mod fingerprint;
mod operate;
mod recall;
mod replace;
mod resume;
mod serve;
mod start;
mod supervise;
mod suspect;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use serve::LeaseAsk;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::breaker::Circuits;
use crate::deadline::{Deadlines, Due};
use crate::device::Quarantine;
use crate::effect::{Effect, Signal};
use crate::errand::{Errand, Errands};
use crate::event::{Event, EventKind};
use crate::files::Files;
use crate::id::{
    CommandId, Correlation, EffectId, EngineRef, Incarnation, LeaseId, OperationId, PoolName, PoolUid,
};
use crate::input::{ModelStamp, ReloadTarget};
use crate::lease::{Endings, LeaseBook};
use crate::limiter::{Limiter, Load};
use crate::operation::{Operation, Outcomes};
use crate::phase::{DownBy, Phase, PhaseName, StartCause, Wanted};
use crate::reload::Reloading;
use crate::spec::{EngineSpec, Policy, PoolSpec};
use crate::time::Time;
use crate::verdict::LastError;
use crate::window::{OomWindow, RestartWindow};

/// Longest time the core waits for a spawn's answer. A late one is stopped at once.
const SPAWN_WITHIN: Duration = Duration::from_secs(10);
/// Longest time the core waits for a PID or handoff file.
const FILE_WITHIN: Duration = Duration::from_secs(5);
/// Longest time an end may stay unexplained: the CUDA line often arrives after the exit.
const EVIDENCE_WITHIN: Duration = Duration::from_millis(200);
/// What the evidence's executor gets on top before it counts as silent.
const EVIDENCE_MARGIN: Duration = Duration::from_millis(100);
/// What an executor that keeps a time-out itself gets on top for its answer to arrive.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);
/// Life of a lease after a suspend, at least: time enough for its holder to renew it.
const LEASE_GRACE: Duration = Duration::from_secs(10);
/// Longest time ports and devices may stay held after an engine's end.
const RELEASE_WITHIN: Duration = Duration::from_secs(30);
/// Time between two release checks.
const RELEASE_POLL: Duration = Duration::from_millis(250);

/// A pool's state. Only the phase is consumed by transitions; the rest lives beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pool {
    uid: PoolUid,
    name: PoolName,
    /// The committed one.
    spec: EngineSpec,
    /// The bytes it was staged with last.
    stamp: Option<ModelStamp>,
    /// What was committed before.
    previous: Option<Box<EngineSpec>>,
    /// What a candidate runs that has outlived its reload.
    candidate: Option<Box<EngineSpec>>,
    policy: Policy,
    wanted: Wanted,
    phase: Phase,
    /// The phase as last told to observers, and since when.
    shown: (PhaseName, Time),
    leases: LeaseBook,
    files: Files,
    running: Option<Running>,
    last_operation: Option<OperationId>,
    supervision: Supervision,
    /// The newest that was begun; the next one is counted on in its epoch, or from 1 in a new one.
    last_incarnation: Incarnation,
    deadlines: Deadlines,
    errands: Errands,
    /// Spawns that were given up: should one succeed after all, its process is stopped at once.
    abandoned_spawns: BTreeMap<u64, Incarnation>,
    heartbeat: Option<Time>,
    load_time: Option<Duration>,
    /// Deregistered and at rest: the host forgets it.
    gone: bool,
}

/// What supervision remembers across incarnations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Supervision {
    last_error: Option<LastError>,
    crashes_total: u64,
    restart_count: u32,
    failures: u32,
    circuits: Circuits,
    window: RestartWindow,
    ooms: OomWindow,
    /// When the backoff of the next automatic start ends; kept through holds, until something is spawned.
    backoff_until: Option<Time>,
    /// An operator lets the next automatic start pass.
    allowed: bool,
}

/// The operation that runs, and what its drain did to the leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    operation: Operation,
    drained: Option<Drained>,
    /// How far it is, if it is a reload.
    reload: Option<Box<Reloading>>,
    /// It is known from Facts alone, which do not say how far it was: `resume` ends it.
    recalled: bool,
}

/// How the drain of an operation, or the cut of a stop, ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Drained {
    Cut(Vec<LeaseId>),
    Emptied,
    EngineExited(Vec<LeaseId>),
}

/// What a pool may use of its host while it handles one input.
pub(crate) struct Cx<'a> {
    pub(crate) now: Time,
    pub(crate) seed: u64,
    pub(crate) epoch: u32,
    /// How many pools are registered.
    pub(crate) pools: usize,
    /// The supervisor is going down: nothing is started.
    pub(crate) closing: bool,
    /// The command being handled.
    pub(crate) correlation: Option<Correlation>,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) books: &'a mut Books,
}

/// What a host says: drained by the driver before the next input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outbox {
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) events: VecDeque<Event>,
}

/// What pools of one host share and none of them owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Books {
    pub(crate) outcomes: Outcomes,
    pub(crate) endings: Endings,
    pub(crate) operations_issued: u64,
    pub(crate) limiter: Limiter,
    pub(crate) quarantine: Quarantine,
}

impl Cx<'_> {
    pub(crate) fn reply(&mut self, command: CommandId, answer: Answer) {
        self.outbox.effects.push_back(Effect::Reply { command, answer: Box::new(answer) });
    }
}

impl Pool {
    /// A pool that was just registered; autostart begins its first start.
    pub(crate) fn register(uid: PoolUid, spec: PoolSpec, cx: &mut Cx<'_>) -> Self {
        let PoolSpec { name, engine, policy, autostart } = spec;
        let mut pool = Self {
            uid,
            name,
            spec: engine,
            stamp: None,
            previous: None,
            candidate: None,
            policy,
            wanted: if autostart { Wanted::Up } else { Wanted::Down(DownBy::Registered) },
            phase: Phase::Stopped,
            shown: (PhaseName::Stopped, cx.now),
            leases: LeaseBook::default(),
            files: Files::default(),
            running: None,
            last_operation: None,
            supervision: Supervision::default(),
            last_incarnation: Incarnation { epoch: cx.epoch, n: 0 },
            deadlines: Deadlines::default(),
            errands: Errands::default(),
            abandoned_spawns: BTreeMap::new(),
            heartbeat: None,
            load_time: None,
            gone: false,
        };
        pool.tell(cx, EventKind::Registered);
        if autostart {
            pool.begin_start(cx, StartCause::First);
        }
        pool
    }

    /// A deadline of this pool passed.
    pub(crate) fn timer(&mut self, cx: &mut Cx<'_>, due: Due) {
        self.deadlines.disarm(due);
        match due {
            Due::CircuitHalfOpen => self.circuit_time_passed(cx),
            Due::DrainDeadline => self.drain_deadline_passed(cx),
            Due::GateOpens => self.pass_gates(cx),
            Due::KillGrace => self.kill_now(cx),
            Due::LeaseExpiry => self.expire_lease(cx),
            Due::ProbeSend => self.send_probe(cx),
            Due::QueueWait => self.refuse_oldest_ask(cx),
            Due::Recheck => self.look_again(cx),
            Due::RestartCountReset => self.long_stable(),
            Due::Stable => self.stable(),
            Due::StartTimeout => self.start_timed_out(cx),
            Due::StuckWait => self.declare_stuck(cx),
            Due::SuspectOver => self.suspicion_over(cx),
            Due::TrialOver => self.trial_over(cx),
            Due::EvidenceAnswer => self.overdue(cx, Errand::Evidence),
            Due::HandoffFileAnswer => self.overdue(cx, Errand::HandoffFile),
            Due::PidFileAnswer => self.overdue(cx, Errand::PidFile),
            Due::PreflightAnswer => self.overdue(cx, Errand::Preflight),
            Due::ProbeAnswer => self.overdue(cx, Errand::Probe),
            Due::ReleaseAnswer => self.overdue(cx, Errand::Release),
            Due::SpawnAnswer => self.overdue(cx, Errand::Spawn),
            Due::StageAnswer => self.overdue(cx, Errand::Stage),
            Due::StageNextAnswer => self.overdue(cx, Errand::StageNext),
        }
    }

    /// The machine was suspended. Leases get one grace, because their holders slept too.
    pub(crate) fn gap(&mut self, cx: &Cx<'_>, by: Duration) {
        self.deadlines.shift_engine_side(by);
        match &mut self.phase {
            Phase::Ready(serving) | Phase::Draining(serving, _) => {
                serving.liveness = serving.liveness.shift(by);
            }
            Phase::Waiting(waiting) => waiting.gates = waiting.gates.shift(by),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Starting(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => {}
        }
        self.leases.hold_off_expiry(cx.now + LEASE_GRACE);
        self.tend_lease_deadlines();
    }

    /// The driver was held up: the probe that is out is asked afresh, and an engine that had to
    /// become ready meanwhile gets one more probe.
    pub(crate) fn stalled(&mut self, cx: &mut Cx<'_>) {
        let last_chance = cx.now + self.policy.start.probe_timeout + ANSWER_MARGIN;
        if let Some(at) = self.deadlines.of(Due::StartTimeout) {
            self.deadlines.arm(Due::StartTimeout, at.max(last_chance));
        }
        if self.errands.is_open(Errand::Probe) {
            self.drop_errand(Errand::Probe);
            self.send_probe(cx);
        }
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<(Time, Due)> {
        self.deadlines.earliest()
    }

    pub(crate) const fn name(&self) -> &PoolName {
        &self.name
    }

    pub(crate) const fn port(&self) -> Option<u16> {
        self.spec.port
    }

    /// Whether its engine uses a port, or would once the reload that runs is done.
    pub(crate) fn claims_port(&self, port: u16) -> bool {
        let next = self.reloading().and_then(|reload| reload.target.port);
        self.spec.port == Some(port) || next == Some(port)
    }

    /// The port it would have after a reload.
    pub(crate) fn port_after(&self, reload: &ReloadTarget) -> Option<u16> {
        match reload {
            ReloadTarget::Back => self.previous.as_ref()?.port,
            ReloadTarget::Spec(spec) => spec.port,
        }
    }

    /// Nothing is under way.
    pub(crate) const fn is_at_rest(&self) -> bool {
        self.phase.is_at_rest()
    }

    /// A spawn was given up and may still make a process.
    pub(crate) fn awaits_late_spawn(&self) -> bool {
        !self.abandoned_spawns.is_empty()
    }

    /// The spawns that were given up and not answered, by effect: they outlive the pool.
    pub(crate) fn into_abandoned_spawns(self) -> impl Iterator<Item = (EffectId, EngineRef)> {
        let uid = self.uid;
        self.abandoned_spawns.into_iter().map(move |(sequence, incarnation)| {
            (EffectId { pool: uid, sequence }, EngineRef { pool: uid, incarnation })
        })
    }

    /// Whether it loads, or waits to.
    pub(crate) fn load(&self) -> Load {
        match &self.phase {
            Phase::Starting(_) => Load::Loads,
            Phase::Waiting(_) if self.errands.is_open(Errand::Release) => Load::Loads,
            Phase::Waiting(waiting) if waiting.gates.limiter_until.is_some() => Load::Waits,
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => Load::Neither,
        }
    }

    pub(crate) const fn is_gone(&self) -> bool {
        self.gone
    }

    /// The operation that runs.
    pub(crate) fn operation(&self) -> Option<&Operation> {
        self.running.as_ref().map(|running| &running.operation)
    }

    /// Moves to a phase and tells observers when it has another name.
    fn enter(&mut self, cx: &mut Cx<'_>, phase: Phase) {
        let (from, to) = (self.shown.0, phase.name());
        self.phase = phase;
        if from != to {
            self.shown = (to, cx.now);
            self.tell(cx, EventKind::PhaseChanged { from, to });
        }
    }

    fn take_phase(&mut self) -> Phase {
        core::mem::take(&mut self.phase)
    }

    /// News about the current engine, if there is one.
    fn tell(&self, cx: &mut Cx<'_>, kind: EventKind) {
        self.tell_of(cx, self.phase.subject().map(|engine| engine.incarnation), kind);
    }

    fn tell_of(&self, cx: &mut Cx<'_>, incarnation: Option<Incarnation>, kind: EventKind) {
        let operation = self.running.as_ref().map(|running| running.operation.correlation);
        cx.outbox.events.push_back(Event {
            at: cx.now,
            pool: Some(self.uid),
            incarnation,
            correlation: cx.correlation.or(operation),
            kind,
        });
    }

    fn signal(&self, cx: &mut Cx<'_>, incarnation: Incarnation, signal: Signal) {
        cx.outbox.effects.push_back(Effect::Signal { engine: self.engine_ref(incarnation), signal });
        self.tell_of(cx, Some(incarnation), EventKind::Signalled { signal });
    }

    const fn engine_ref(&self, incarnation: Incarnation) -> EngineRef {
        EngineRef { pool: self.uid, incarnation }
    }
}
