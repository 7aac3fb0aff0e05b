//! Tests of a pool's rules, one file a subject, over one driver: [`Stage`], a host with one pool and a
//! world that does only what a test says.
//!
//! An effect waits in `open` until the test answers it, so every order of answers can be played;
//! [`Stage::settle`] answers all of them well for tests that are about something else.

mod crash;
mod cycles;
mod drain;
mod due;
mod fingerprint;
mod gates;
mod lease;
mod operation;
mod recall;
mod refusal;
mod reload;
mod reload_limits;
mod resume;
mod resume_everywhere;
mod shutdown;
mod start;
mod state;
mod stop;
mod supervise;
mod suspect;
mod suspend;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::{
    Answer, CatalogEntry, CommandId, Completion, Correlation, CrashClass, Due, Effect, EffectId, EngineRef,
    EngineSpec, Event, EventKind, EvidenceReport, ExitStatus, FileKind, Holder, Host, HostConfig,
    Incarnation, Input, LeaseId, LogClass, LogEvidence, ModelStamp, OperationId, Outcome, PerformanceHints,
    PhaseName, Policy, PoolName, PoolSpec, PoolUid, PoolView, Preflight, Priority, ProbeAnswer, Refusal,
    ReleaseAnswer, Signal, SpawnError, Spawned, SpecHash, StageError, Time, Verb,
};

const SECOND: Duration = Duration::from_secs(1);

/// The effects that are answered, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Evidence,
    Preflight,
    Probe,
    Release,
    Remove(FileKind),
    Spawn,
    Stage,
    Write(FileKind),
}

/// A host with one pool, and all that it said.
struct Stage {
    host: Host,
    now: Time,
    pool: PoolUid,
    commands: u64,
    /// Effects not answered yet, oldest first.
    open: Vec<(EffectId, Ask)>,
    /// Every effect that is not a reply, in order.
    effects: Vec<Effect>,
    events: Vec<Event>,
    replies: BTreeMap<CommandId, Answer>,
    exits: usize,
}

impl Stage {
    /// A registered pool that is not started.
    fn new(change: impl FnOnce(&mut PoolSpec)) -> Self {
        Self::on(HostConfig::default(), change)
    }

    fn on(config: HostConfig, change: impl FnOnce(&mut PoolSpec)) -> Self {
        let host = Host::new(config, 7, Time::ZERO);
        let mut stage = Self {
            host,
            now: Time::ZERO,
            pool: PoolUid(1),
            commands: 0,
            open: Vec::new(),
            effects: Vec::new(),
            events: Vec::new(),
            replies: BTreeMap::new(),
            exits: 0,
        };
        let mut spec = spec("a");
        change(&mut spec);
        let registered = stage.register(spec);
        assert_eq!(registered, Answer::Registered { pool: PoolUid(1) });
        stage
    }

    /// A pool whose first engine serves since 1 s.
    fn ready() -> Self {
        Self::ready_with(|_| {})
    }

    fn ready_with(change: impl FnOnce(&mut PoolSpec)) -> Self {
        let mut stage = Self::new(change);
        stage.preload();
        stage.settle_until(PhaseName::Starting);
        stage.pass(SECOND);
        stage.settle();
        assert_eq!(stage.phase(), PhaseName::Ready);
        stage.forget();
        stage
    }

    /// A pool with an engine that is not healthy yet: its PID file is written, its probe is out.
    fn starting() -> Self {
        Self::starting_with(|_| {})
    }

    fn starting_with(change: impl FnOnce(&mut PoolSpec)) -> Self {
        let mut stage = Self::new(change);
        stage.preload();
        stage.settle_until(PhaseName::Starting);
        stage.answer_one(Ask::Spawn);
        stage.answer_one(Ask::Write(FileKind::Pid));
        stage.forget();
        stage
    }

    /// Forgets what was said so far, so that a test sees only what it caused.
    fn forget(&mut self) {
        self.effects.clear();
        self.events.clear();
    }

    fn feed(&mut self, input: Input) {
        self.host.handle(self.now, input);
        while let Some(effect) = self.host.poll_effect() {
            self.take(effect);
        }
        while let Some(event) = self.host.poll_event() {
            self.events.push(event);
        }
    }

    fn take(&mut self, effect: Effect) {
        self.open.extend(asked(&effect));
        if effect == Effect::Exit {
            self.exits += 1;
        }
        if let Effect::Reply { command, answer } = effect {
            assert_eq!(self.replies.insert(command, *answer), None, "one reply a command");
        } else {
            self.effects.push(effect);
        }
    }

    fn clone_host(&self) -> Host {
        self.host.clone()
    }

    fn next_command(&mut self) -> CommandId {
        self.commands += 1;
        CommandId(self.commands)
    }

    fn register(&mut self, spec: PoolSpec) -> Answer {
        let command = self.next_command();
        self.feed(Input::Register { command, correlation: Correlation([0, 1]), spec: Box::new(spec) });
        self.reply(command)
    }

    /// A command, and its answer. Its correlation carries the command's own number.
    fn command(&mut self, verb: Verb) -> Answer {
        let command = self.next_command();
        let correlation = Correlation([0, command.0]);
        self.feed(Input::Command { command, correlation, pool: self.pool, verb });
        self.reply(command)
    }

    /// A command that must be accepted.
    fn accepted(&mut self, verb: Verb) -> OperationId {
        let answer = self.command(verb.clone());
        let Answer::Accepted { operation } = answer else { panic!("{verb:?} was answered {answer:?}") };
        operation
    }

    fn refused(&mut self, verb: Verb) -> Refusal {
        let answer = self.command(verb.clone());
        let Answer::Refused(refusal) = answer else { panic!("{verb:?} was answered {answer:?}") };
        refusal
    }

    fn preload(&mut self) -> OperationId {
        self.accepted(Verb::Preload)
    }

    fn drain(&mut self) -> OperationId {
        self.accepted(Verb::Drain { deadline: None })
    }

    fn drain_within(&mut self, deadline: Duration) -> OperationId {
        self.accepted(Verb::Drain { deadline: Some(deadline) })
    }

    fn shutdown(&mut self) {
        self.feed(Input::Shutdown { correlation: Correlation([9, 9]) });
    }

    fn reply(&self, command: CommandId) -> Answer {
        self.replies.get(&command).cloned().expect("a reply in the same step")
    }

    /// How an operation ended; `None`: it runs.
    fn outcome(&self, operation: OperationId) -> Option<Outcome> {
        let operation = self.host.view().operation(operation).expect("operations are kept");
        operation.ended.clone().map(|(_, outcome)| outcome)
    }

    /// The class with which an operation failed.
    fn failure(&self, operation: OperationId) -> Option<CrashClass> {
        match self.outcome(operation) {
            Some(Outcome::Failed { verdict, also: _ }) => Some(verdict.class),
            Some(other) => panic!("{operation:?} ended {other:?}"),
            None => None,
        }
    }

    /// Asks for a lease; the answer may come later.
    fn ask_lease(&mut self, priority: Priority, ttl: Option<Duration>) -> CommandId {
        let command = self.next_command();
        let correlation = Correlation([0, command.0]);
        let (pool, holder) = (self.pool, Holder([0, command.0]));
        self.feed(Input::LeaseAsk { command, correlation, pool, holder, priority, ttl });
        command
    }

    /// A lease that must be granted at once.
    fn lease(&mut self) -> LeaseId {
        let command = self.ask_lease(Priority::Interactive, None);
        self.granted(command).expect("a free slot")
    }

    fn leases(&mut self, count: usize) -> Vec<LeaseId> {
        (0..count).map(|_| self.lease()).collect()
    }

    fn granted(&self, command: CommandId) -> Option<LeaseId> {
        match self.replies.get(&command) {
            Some(Answer::Granted { lease, .. }) => Some(*lease),
            Some(_) | None => None,
        }
    }

    /// Why a lease ask is refused now.
    fn lease_refusal(&mut self) -> Refusal {
        let command = self.ask_lease(Priority::Interactive, None);
        let answer = self.reply(command);
        let Answer::Refused(refusal) = answer else { panic!("a lease ask was answered {answer:?}") };
        refusal
    }

    fn end_lease(&mut self, lease: LeaseId) -> Answer {
        let command = self.next_command();
        self.feed(Input::LeaseEnd { command, lease });
        self.reply(command)
    }

    fn renew(&mut self, lease: LeaseId, ttl: Option<Duration>) -> Answer {
        let command = self.next_command();
        self.feed(Input::LeaseRenew { command, lease, ttl });
        self.reply(command)
    }

    fn is_open(&self, ask: Ask) -> bool {
        self.open.iter().any(|(_, open)| *open == ask)
    }

    /// Takes the oldest open effect of a kind, to be answered when the test likes.
    fn withhold(&mut self, ask: Ask) -> EffectId {
        let place = self.open.iter().position(|(_, open)| *open == ask);
        let place = place.unwrap_or_else(|| panic!("{ask:?} is not open: {:?}", self.open));
        self.open.remove(place).0
    }

    fn complete(&mut self, effect: EffectId, result: Completion) {
        self.feed(Input::Completed { effect, result });
    }

    fn answer(&mut self, ask: Ask, result: Completion) {
        let effect = self.withhold(ask);
        self.complete(effect, result);
    }

    /// Answers one effect well.
    fn answer_one(&mut self, ask: Ask) {
        self.answer(ask, good_answer(ask));
    }

    fn probed(&mut self, answer: ProbeAnswer) {
        self.answer(Ask::Probe, Completion::Probed(answer));
    }

    fn spawn_fails(&mut self, error: SpawnError) {
        self.answer(Ask::Spawn, Completion::Spawned(Err(error)));
    }

    /// Answers everything well, and what comes of that, in this instant.
    /// Answers every file that is written or removed, and the question how the engine ended.
    fn settle_files(&mut self) {
        let is_file = |ask: Ask| matches!(ask, Ask::Remove(_) | Ask::Write(_) | Ask::Evidence);
        while let Some((_, ask)) = self.open.iter().copied().find(|(_, ask)| is_file(*ask)) {
            self.answer_one(ask);
        }
    }

    fn settle(&mut self) {
        while let Some((effect, ask)) = self.open.first().copied() {
            self.open.remove(0);
            self.complete(effect, good_answer(ask));
        }
    }

    /// Answers well until a phase is reached.
    fn settle_until(&mut self, phase: PhaseName) {
        while self.phase() != phase {
            assert!(!self.open.is_empty(), "nothing leads from {:?} to {phase:?}", self.phase());
            let (effect, ask) = self.open.remove(0);
            self.complete(effect, good_answer(ask));
        }
    }

    /// The engine ends with this status; nothing is answered.
    fn exits(&mut self, status: ExitStatus) {
        let engine = self.engine();
        self.feed(Input::Exited { engine, status });
    }

    /// The engine ends and everything about its end is answered well.
    fn crash(&mut self, status: ExitStatus) {
        self.crash_saying(status, &[]);
    }

    fn crash_saying(&mut self, status: ExitStatus, lines: &[LogClass]) {
        self.exits(status);
        let report = saying(lines);
        self.answer(Ask::Evidence, Completion::Evidence(Box::new(report)));
        while self.phase() == PhaseName::Ended {
            let (effect, ask) = self.open.remove(0);
            self.complete(effect, good_answer(ask));
        }
    }

    /// Jumps to the next deadline, fires it and says what it was for.
    fn tick(&mut self) -> Due {
        let (at, _, due) = self.host.poll_timeout().expect("a deadline is armed");
        self.now = self.now.max(at);
        self.feed(Input::Timer);
        due
    }

    /// Fires deadlines until one of this kind was fired; no effect is answered on the way.
    fn tick_until(&mut self, due: Due) {
        for _ in 0..10_000 {
            if self.tick() == due {
                return;
            }
        }
        panic!("{due:?} never came");
    }

    /// Fires deadlines until one of this kind was fired; only probes are answered, well.
    fn pass_while_silent(&mut self, due: Due) {
        for _ in 0..10_000 {
            if self.tick() == due {
                return;
            }
            self.answer_probes();
        }
        panic!("{due:?} never came");
    }

    /// Answers every probe well.
    fn answer_probes(&mut self) {
        while self.is_open(Ask::Probe) {
            self.answer_one(Ask::Probe);
        }
    }

    /// Lets time pass and fires what comes due; no effect is answered.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while self.host.poll_timeout().is_some_and(|(at, ..)| at <= until) {
            self.tick();
        }
        self.now = until;
    }

    /// Lets time pass while a healthy engine answers every probe.
    fn pass_healthy(&mut self, span: Duration) {
        let until = self.now + span;
        while self.host.poll_timeout().is_some_and(|(at, ..)| at <= until) {
            self.tick();
            self.settle();
        }
        self.now = until;
    }

    fn view(&self) -> PoolView<'_> {
        self.host.view().pool(self.pool).expect("the pool is registered")
    }

    fn phase(&self) -> PhaseName {
        self.view().phase
    }

    fn engine(&self) -> EngineRef {
        let engine = self.view().engine.expect("an engine");
        EngineRef { pool: self.pool, incarnation: engine.incarnation }
    }

    /// The signals sent, oldest first.
    fn signals(&self) -> Vec<Signal> {
        self.signals_to().into_iter().map(|(_, signal)| signal).collect()
    }

    fn signals_to(&self) -> Vec<(Incarnation, Signal)> {
        let signal = |effect: &Effect| match effect {
            Effect::Signal { engine, signal } => Some((engine.incarnation, *signal)),
            Effect::CheckRelease { .. }
            | Effect::CollectEvidence { .. }
            | Effect::Exit
            | Effect::Probe { .. }
            | Effect::RemoveFile { .. }
            | Effect::Reply { .. }
            | Effect::Spawn { .. }
            | Effect::CancelStage { .. }
            | Effect::Preflight { .. }
            | Effect::Stage { .. }
            | Effect::WriteFile { .. } => None,
        };
        self.effects.iter().filter_map(signal).collect()
    }

    /// The effects that are answered, in the order they were asked.
    fn asks(&self) -> Vec<Ask> {
        self.effects.iter().filter_map(asked).map(|(_, ask)| ask).collect()
    }

    fn spawns(&self) -> usize {
        self.asks().iter().filter(|ask| **ask == Ask::Spawn).count()
    }

    fn heard(&self, pick: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|event| pick(&event.kind)).count()
    }

    fn crashes_heard(&self) -> Vec<CrashClass> {
        let class = |event: &Event| {
            if let EventKind::Crashed { verdict, .. } = &event.kind { Some(verdict.class) } else { None }
        };
        self.events.iter().filter_map(class).collect()
    }

    /// The conservation of leases, exactly.
    fn assert_conserved(&self) {
        let view = self.view();
        let totals = view.lease_totals;
        let ended = totals.completed + totals.expired + totals.cut + totals.lost;
        assert_eq!(totals.granted, ended + u64::from(view.leases_active));
        assert_eq!(self.host.view().leases(self.pool).count(), view.leases_active as usize);
    }
}

fn spec(name: &str) -> PoolSpec {
    let catalog = CatalogEntry {
        id: None,
        engine: String::from("llama-server"),
        engine_version: None,
        model: String::from("m.gguf"),
        digest: None,
    };
    let hints = PerformanceHints::default();
    let engine = EngineSpec { hash: SpecHash(1), catalog, device_mask: Vec::new(), port: Some(8080), hints };
    let name = PoolName::new(name).expect("a valid name");
    PoolSpec { name, engine, policy: Policy::default(), autostart: false }
}

/// What an executor found in an engine's log.
fn saying(lines: &[LogClass]) -> EvidenceReport {
    let line = |class: &LogClass| LogEvidence { class: *class, offset: 0 };
    EvidenceReport { log: lines.iter().map(line).collect(), oom_kill: None }
}

fn asked(effect: &Effect) -> Option<(EffectId, Ask)> {
    match effect {
        Effect::CheckRelease { id, .. } => Some((*id, Ask::Release)),
        Effect::CollectEvidence { id, .. } => Some((*id, Ask::Evidence)),
        Effect::Preflight { id, .. } => Some((*id, Ask::Preflight)),
        Effect::Probe { id, .. } => Some((*id, Ask::Probe)),
        Effect::RemoveFile { id, file, .. } => Some((*id, Ask::Remove(*file))),
        Effect::Spawn { id, .. } => Some((*id, Ask::Spawn)),
        Effect::Stage { id, .. } => Some((*id, Ask::Stage)),
        Effect::WriteFile { id, file, .. } => Some((*id, Ask::Write(*file))),
        Effect::CancelStage { .. } | Effect::Exit | Effect::Reply { .. } | Effect::Signal { .. } => None,
    }
}

fn good_answer(ask: Ask) -> Completion {
    match ask {
        Ask::Evidence => Completion::Evidence(Box::default()),
        Ask::Probe => Completion::Probed(ProbeAnswer::Healthy),
        Ask::Release => Completion::Released(ReleaseAnswer::Free),
        Ask::Remove(_) | Ask::Write(_) => Completion::FileDone(Ok(())),
        Ask::Spawn => Completion::Spawned(Ok(Spawned { pid: 4242 })),
        Ask::Preflight => Completion::Preflighted(Ok(Preflight { stamp: None, fetch: false })),
        Ask::Stage => Completion::Staged(Ok(ModelStamp(1))),
    }
}
