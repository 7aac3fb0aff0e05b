//! One move happens: what it means as inputs of the host, what the host's effects change around it, and what the
//! oracles of `always` say to each.

use std::time::Duration;

use pool_manager_core::{
    Adopted, Answer, CommandId, Completion, Correlation, Effect, EngineRef, Event, EventKind, EvidenceReport,
    ExitStatus, FileError, FileKind, Holder, Input, LeaseId, LogClass, LogEvidence, ModelStamp,
    OnDrainTimeout, OperationKind, PoolUid, Preflight, Priority, ProbeAnswer, ReleaseAnswer, Reload,
    ReloadTarget, Resume, Signal, Spawned, SpecHash, Time, Verb,
};

use super::always::{self, Before};
use super::around::{Asked, Handoff, Pending, Process};
use super::marks::{Mark, Marks};
use super::moves::{Act, Found, Move, Reply};
use super::state::State;
use super::world::{FIRST, OTHER, World};
use crate::oracle::Violation;

/// Inputs with their times.
pub(super) type Log = Vec<(Time, Input)>;

impl State {
    /// Lets a move happen. The inputs it means are appended to `log`, where there is one.
    pub(super) fn apply(
        &mut self,
        step: Move,
        world: &World,
        marks: &mut Marks,
        log: Option<&mut Log>,
    ) -> Result<(), Violation> {
        let input = match step {
            Move::Act(pool, act) => self.act(pool, act, world),
            Move::Answer(pending, reply) => self.answer(pending, reply),
            Move::ClientAsks(pool) => Input::LeaseAsk {
                command: self.command(),
                correlation: NOBODY,
                pool,
                holder: Holder([0, 0]),
                priority: Priority::Interactive,
                ttl: None,
            },
            Move::ClientEnds(lease) => Input::LeaseEnd { command: self.command(), lease },
            Move::ClientRenews(lease) => Input::LeaseRenew { command: self.command(), lease, ttl: None },
            Move::Crash { made, alive } => self.crash(made, alive),
            Move::CudaLine(engine) => Input::LogLine { engine, class: LogClass::CudaError, offset: 0 },
            Move::Ends(engine, status) => {
                self.around.engines.retain(|process| process.engine != engine);
                Input::Exited { engine, status }
            }
            Move::Hangs(engine) => return self.change(engine, |process| process.hangs = true),
            Move::Late(Pending { id, .. }) => {
                if let Some(pending) = self.around.pending.iter_mut().find(|pending| pending.id == id) {
                    pending.late = true;
                }
                return Ok(());
            }
            Move::Shutdown => {
                self.around.shutdowns = (self.around.shutdowns + 1).min(2);
                Input::Shutdown { correlation: NOBODY }
            }
            Move::Sticks(engine) => return self.change(engine, |process| process.sticks = true),
            Move::Timer => {
                if let Some((at, ..)) = self.host.poll_timeout() {
                    self.now = self.now.max(at);
                }
                Input::Timer
            }
            Move::Withdraws(ask, pool) => Input::LeaseWithdraw { pool, ask },
            Move::Xid(pool) => Input::GpuFault { pool, xid: 79 },
        };
        self.feed(input, marks, log)
    }

    /// Gives the host one input, carries out its effects, and asks every oracle.
    pub(super) fn feed(
        &mut self,
        input: Input,
        marks: &mut Marks,
        log: Option<&mut Log>,
    ) -> Result<(), Violation> {
        if let Some(log) = log {
            log.push((self.now, input.clone()));
        }
        let before = Before::of(self, &input);
        let mut open = command_of(&input);
        if let Input::LeaseAsk { command, pool, .. } = &input {
            self.around.asks.push((*command, *pool));
        }
        let ended = if let Input::LeaseEnd { lease, .. } = &input { Some(*lease) } else { None };
        self.host.handle(self.now, input);
        while let Some(effect) = self.host.poll_effect() {
            always::effect(self, &before, &effect)?;
            self.carry_out(&effect, &mut open, ended, marks)?;
        }
        while let Some(event) = self.host.poll_event() {
            self.note(&event, marks)?;
        }
        always::replied(open)?;
        self.drop_stale(marks)?;
        always::after(self, &before)?;
        for pool in self.host.view().pools() {
            marks.see_pool(&pool);
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        effect: &Effect,
        open: &mut Option<CommandId>,
        ended: Option<LeaseId>,
        marks: &mut Marks,
    ) -> Result<(), Violation> {
        if self.around.ask(effect) {
            if let Effect::WriteFile { id, file: FileKind::Handoff, .. } = effect {
                self.handoff(id.pool, Handoff::Writing);
            }
            if let Effect::RemoveFile { id, file: FileKind::Handoff, .. } = effect {
                self.handoff(id.pool, Handoff::Removed);
            }
            return Ok(());
        }
        match effect {
            Effect::CancelStage { id } => {
                self.around.take(*id);
            }
            Effect::Exit => {
                marks.see(Mark::Exit);
                self.around.exited = true;
            }
            Effect::Reply { command, answer } => {
                always::reply_is_awaited(*command, answer, *open, &self.around.asks)?;
                if *open == Some(*command) {
                    *open = None;
                }
                self.around.asks.retain(|(ask, _)| ask != command);
                self.answered(answer, ended, marks);
            }
            Effect::Signal { engine, signal } => {
                let now = self.now;
                marks.see(if *signal == Signal::KillTree { Mark::Kill } else { Mark::Term });
                self.change(*engine, |process| match signal {
                    Signal::Graceful => process.termed = process.termed.or(Some(now)),
                    Signal::KillTree => process.killed = true,
                })?;
            }
            Effect::CheckRelease { .. }
            | Effect::CollectEvidence { .. }
            | Effect::Preflight { .. }
            | Effect::Probe { .. }
            | Effect::RemoveFile { .. }
            | Effect::Spawn { .. }
            | Effect::Stage { .. }
            | Effect::WriteFile { .. } => {}
        }
        Ok(())
    }

    fn answered(&mut self, answer: &Answer, ended: Option<LeaseId>, marks: &mut Marks) {
        match answer {
            Answer::Granted { lease, .. } => {
                self.around.held.push(*lease);
                self.around.held.sort_unstable();
                marks.see(Mark::Granted);
            }
            Answer::LeaseEnded => self.around.held.retain(|lease| Some(*lease) != ended),
            Answer::Refused(refusal) => marks.see_refusal(refusal),
            Answer::Accepted { .. }
            | Answer::Done
            | Answer::LeaseEndedBefore { .. }
            | Answer::Registered { .. }
            | Answer::Renewed { .. }
            | Answer::Withdrawn => {}
        }
    }

    /// What an event says is true from now on.
    fn note(&mut self, event: &Event, marks: &mut Marks) -> Result<(), Violation> {
        marks.see_event(&event.kind);
        match (&event.kind, event.pool) {
            (EventKind::LeaseEnded { lease, .. }, _) => self.around.held.retain(|held| held != lease),
            (EventKind::OperationStarted { kind: OperationKind::Reload, .. }, Some(pool)) => {
                let committed = self.host.view().pool(pool).map(|pool| pool.spec.hash);
                if let Some(remembered) = self.around.of(pool) {
                    remembered.reloads_from = committed;
                }
            }
            (EventKind::OperationEnded { kind: OperationKind::Reload, outcome, .. }, Some(pool)) => {
                let from = self.around.of(pool).and_then(|remembered| remembered.reloads_from.take());
                always::reload_ended(self, pool, from, outcome)?;
            }
            (EventKind::RestartAllowed, Some(pool)) => {
                if let Some(remembered) = self.around.of(pool) {
                    remembered.allowed = true;
                }
            }
            (_, Some(_) | None) => {}
        }
        Ok(())
    }

    /// Effects nobody waits for any more are answered at once; it must change nothing.
    fn drop_stale(&mut self, marks: &mut Marks) -> Result<(), Violation> {
        loop {
            let view = self.host.view();
            let stale = self.around.pending.iter().find(|pending| !view.awaits(pending.id));
            let Some(Pending { id, asked, .. }) = stale.copied() else { return Ok(()) };
            self.around.take(id);
            marks.see(Mark::StaleAnswer);
            self.handoff_done(id.pool, asked);
            let now = self.now;
            let before = self.host.fingerprint(now);
            self.host.handle(now, Input::Completed { effect: id, result: good_answer(asked) });
            let effect = self.host.poll_effect();
            while self.host.poll_event().is_some() {}
            always::stale_is_harmless(before == self.host.fingerprint(now), effect, asked)?;
        }
    }

    fn answer(&mut self, Pending { id, asked, .. }: Pending, reply: Reply) -> Input {
        self.around.take(id);
        self.handoff_done(id.pool, asked);
        if let (Asked::Spawn(engine, spec), Reply::Spawned) = (asked, reply) {
            self.made(engine, spec);
        }
        Input::Completed { effect: id, result: completion(asked, reply) }
    }

    fn act(&mut self, pool: PoolUid, act: Act, world: &World) -> Input {
        let committed = self.host.view().pool(pool).map_or(FIRST, |pool| pool.spec.hash);
        let other = if committed == FIRST { OTHER } else { FIRST };
        let reload = |to, on_drain_timeout| {
            Verb::Reload(Box::new(Reload {
                to: ReloadTarget::Spec(world.spec(to)),
                deadline: None,
                on_drain_timeout: Some(on_drain_timeout),
                force: false,
            }))
        };
        let verb = match act {
            Act::AllowRestart => Verb::AllowRestart,
            Act::Deregister => Verb::Deregister,
            Act::Drain => Verb::Drain { deadline: None },
            Act::Preload => Verb::Preload,
            Act::Reload => reload(other, OnDrainTimeout::Abort),
            Act::ReloadForced => reload(other, OnDrainTimeout::Force),
            Act::ReloadSame => reload(committed, OnDrainTimeout::Abort),
            Act::ResetBreaker => Verb::ResetBreaker,
            Act::Restart => Verb::Restart,
            Act::Stop => Verb::Stop,
            Act::Undrain => Verb::Undrain,
        };
        Input::Command { command: self.command(), correlation: NOBODY, pool, verb }
    }

    /// The supervisor is gone with everything it had under way, and comes back with the state it had.
    fn crash(&mut self, made: bool, alive: bool) -> Input {
        let pending = std::mem::take(&mut self.around.pending);
        for pending in pending {
            let Asked::Spawn(engine, spec) = pending.asked else { continue };
            if made {
                self.made(engine, spec);
            } else if let Some(remembered) = self.around.of(engine.pool) {
                // The same start is tried again, for the same reason: it may be one that was allowed.
                remembered.allowed = true;
            }
        }
        self.around.asks.clear();
        if std::mem::take(&mut self.around.shutdowns) > 1 {
            self.around.engines.iter_mut().for_each(|process| process.doomed = true);
        }
        let epoch = self.host.view().epoch() + 1;
        let mut resume = Resume { epoch, alive: Vec::new(), ended: Vec::new() };
        if alive {
            let adopted = |process: &Process| Adopted { engine: process.engine, pid: PID };
            resume.alive = self.around.engines.iter().map(adopted).collect();
        } else {
            let gone = std::mem::take(&mut self.around.engines);
            resume.ended = gone.iter().map(|process| (process.engine, ExitStatus::Unknown)).collect();
        }
        Input::Resume(Box::new(resume))
    }

    /// A process exists from now on.
    fn made(&mut self, engine: EngineRef, spec: SpecHash) {
        let process =
            Process { engine, spec, hangs: false, sticks: false, termed: None, killed: false, doomed: false };
        self.around.engines.push(process);
        self.around.engines.sort_unstable_by_key(|process| process.engine);
    }

    fn change(&mut self, engine: EngineRef, change: impl FnOnce(&mut Process)) -> Result<(), Violation> {
        let process = self.around.engines.iter_mut().find(|process| process.engine == engine);
        process.map(change).ok_or_else(|| always::no_such_process(engine))
    }

    fn handoff(&mut self, pool: PoolUid, now: Handoff) {
        if let Some(remembered) = self.around.of(pool) {
            remembered.handoff = now;
        }
    }

    /// A write that ended, well or not, is a file that may be read.
    fn handoff_done(&mut self, pool: PoolUid, asked: Asked) {
        if asked == Asked::Write(FileKind::Handoff)
            && let Some(remembered) = self.around.of(pool)
            && remembered.handoff == Handoff::Writing
        {
            remembered.handoff = Handoff::Written;
        }
    }

    fn command(&mut self) -> CommandId {
        // Above the commands of the registrations.
        self.around.commands += 1;
        CommandId(1000 + self.around.commands)
    }
}

const NOBODY: Correlation = Correlation([0, 0]);
/// No fingerprint tells pids apart.
const PID: u32 = 100;

/// The command that must be answered in the input's own step.
const fn command_of(input: &Input) -> Option<CommandId> {
    match input {
        Input::Command { command, .. }
        | Input::LeaseEnd { command, .. }
        | Input::LeaseRenew { command, .. }
        | Input::Register { command, .. } => Some(*command),
        Input::Completed { .. }
        | Input::Exited { .. }
        | Input::Gap { .. }
        | Input::GpuFault { .. }
        // It may wait in the queue.
        | Input::LeaseAsk { .. }
        | Input::LeaseWithdraw { .. }
        | Input::LogLine { .. }
        | Input::Resume(_)
        | Input::Shutdown { .. }
        | Input::StageProgress { .. }
        | Input::Stalled
        | Input::Timer => None,
    }
}

fn completion(asked: Asked, reply: Reply) -> Completion {
    let (Asked::Spawn(_, spec) | Asked::Stage(spec) | Asked::Preflight(spec)) = asked else {
        return plain_completion(reply);
    };
    let stamp = ModelStamp(spec.0);
    match reply {
        Reply::Preflight { fetch } => Completion::Preflighted(Ok(Preflight { stamp: Some(stamp), fetch })),
        Reply::Staged => Completion::Staged(Ok(stamp)),
        Reply::Evidence(_)
        | Reply::File(_)
        | Reply::PreflightFails(_)
        | Reply::Probe(_)
        | Reply::Release(_)
        | Reply::Spawned
        | Reply::SpawnFails(_)
        | Reply::StageFails(_) => plain_completion(reply),
    }
}

fn plain_completion(reply: Reply) -> Completion {
    match reply {
        Reply::Evidence(found) => {
            let class = match found {
                Found::CudaError => Some(LogClass::CudaError),
                Found::NoDevice => Some(LogClass::NoDevice),
                Found::Nothing => None,
            };
            let log = class.map(|class| LogEvidence { class, offset: 0 }).into_iter().collect();
            Completion::Evidence(Box::new(EvidenceReport { log, oom_kill: None }))
        }
        Reply::File(done) => Completion::FileDone(if done { Ok(()) } else { Err(FileError::Io(5)) }),
        Reply::PreflightFails(error) => Completion::Preflighted(Err(error)),
        Reply::Probe(answer) => Completion::Probed(answer),
        Reply::Release(answer) => Completion::Released(answer),
        Reply::Spawned => Completion::Spawned(Ok(Spawned { pid: PID })),
        Reply::SpawnFails(error) => Completion::Spawned(Err(error)),
        Reply::StageFails(error) => Completion::Staged(Err(error)),
        // Only what knows its spec has these.
        Reply::Preflight { fetch } => Completion::Preflighted(Ok(Preflight { stamp: None, fetch })),
        Reply::Staged => Completion::Staged(Ok(ModelStamp(0))),
    }
}

/// What an effect is answered when all goes well.
fn good_answer(asked: Asked) -> Completion {
    let reply = match asked {
        Asked::Evidence => Reply::Evidence(Found::Nothing),
        Asked::Preflight(_) => Reply::Preflight { fetch: false },
        Asked::Probe(_) => Reply::Probe(ProbeAnswer::Healthy),
        Asked::Release => Reply::Release(ReleaseAnswer::Free),
        Asked::Remove(_) | Asked::Write(_) => Reply::File(true),
        Asked::Spawn(..) => Reply::Spawned,
        Asked::Stage(_) => Reply::Staged,
    };
    completion(asked, reply)
}

impl World {
    /// TERM to KILL at the least, in every world.
    pub(super) const GRACE: Duration = Duration::from_secs(10);
}
