//! Sets marks: looks at every input before the core does, at every effect and event, and at every pool a step
//! touched. Called by `world`, for every step of every run, so it remembers little and looks up less.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{
    Answer, CommandId, Completion, DrainOutcome, Due, Effect, EngineRef, Event, EventKind, Gates, HoldReason,
    Input, OperationKind, PoolUid, PoolView, Refusal, ReleaseGate, ReloadTarget, Signal, StopCause, Time,
    Verb, View,
};

use super::words::{
    Answers, Changes, Circuits, Completions, Deadlines, Drains, Effects, Events, Exits, Gate, Holds, Inputs,
    LeaseEndings, Lines, Moment, Operations, Outcomes, Phases, Refusals, StopCauses, Storms, Verdicts, Wants,
};
use super::{In, Mark, Marks};

/// Whom a deadline that is due belongs to (`None`: the host), and what it is for.
pub(crate) type DueTimer = (Time, Option<PoolUid>, Due);

/// A caller that goes away does so soon after its ask.
const GRANTS_KEPT: usize = 64;

/// Sets the marks of one run.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    marks: Marks,
    /// The input that is handled now.
    news: Option<News>,
    /// The last deadlines that fired: when, and whose.
    fired: Option<(Time, BTreeSet<PoolUid>)>,
    /// Engines that were asked to end, and have not ended.
    asked: BTreeSet<EngineRef>,
    /// Why pools are held that are.
    held: BTreeMap<PoolUid, HoldReason>,
    /// The last lease asks that were granted.
    granted: BTreeSet<CommandId>,
    /// Something was killed in this step.
    killed: bool,
}

/// What an input was, as far as its consequences are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// A lease was asked for.
    Ask(CommandId),
    /// A spawn succeeded.
    SpawnedWell,
    /// Another effect was answered.
    Answered,
    /// Something about an engine.
    OfEngine,
    /// Anything else.
    Other,
}

impl Watcher {
    /// What fired so far.
    pub(crate) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Something that only the world knows happened.
    pub(crate) const fn moment(&mut self, moment: Moment) {
        self.set(In::Moment, moment as usize);
    }

    /// An input is about to go into the core; the view is that before it. `due`: the deadline it fires, if it is a
    /// timer.
    pub(crate) fn input(&mut self, input: &Input, due: Option<DueTimer>, before: View<'_>) {
        self.news = Some(News::of(input));
        self.killed = false;
        let about = match input {
            Input::Timer => due.and_then(|(_, pool, due)| {
                self.set(In::Deadline, Deadlines::of(&due) as usize);
                pool
            }),
            Input::Command { pool, .. }
            | Input::GpuFault { pool, .. }
            | Input::LeaseAsk { pool, .. }
            | Input::LeaseWithdraw { pool, .. } => Some(*pool),
            Input::Completed { effect, result } => {
                self.set(In::Completion, Completions::of(result) as usize);
                Some(effect.pool)
            }
            Input::StageProgress { effect } => Some(effect.pool),
            Input::Exited { engine, status } => {
                self.set(In::Exit, Exits::of(status) as usize);
                Some(engine.pool)
            }
            Input::LogLine { engine, class, .. } => {
                self.set(In::Line, Lines::of(class) as usize);
                Some(engine.pool)
            }
            Input::LeaseEnd { lease, .. } | Input::LeaseRenew { lease, .. } => Some(lease.engine.pool),
            Input::Register { .. } => None,
            Input::Gap { .. } | Input::Resume(_) | Input::Shutdown { .. } | Input::Stalled => {
                before.pools().for_each(|pool| self.meets(&pool, input));
                None
            }
        };
        if let Some(pool) = about.and_then(|uid| before.pool(uid)) {
            self.meets(&pool, input);
        }
        self.crossings(input, due, before);
    }

    /// An effect came out.
    pub(crate) fn effect(&mut self, effect: &Effect) {
        self.set(In::Effect, Effects::of(effect) as usize);
        match effect {
            Effect::Reply { command, answer } => self.reply(*command, answer),
            Effect::Signal { engine, signal: Signal::Graceful } => {
                self.asked.insert(*engine);
            }
            Effect::Signal { engine, signal: Signal::KillTree } => {
                if self.asked.remove(engine) {
                    self.moment(Moment::KillNeeded);
                }
                self.killed = true;
            }
            Effect::CancelStage { .. }
            | Effect::CheckRelease { .. }
            | Effect::CollectEvidence { .. }
            | Effect::Exit
            | Effect::Preflight { .. }
            | Effect::Probe { .. }
            | Effect::RemoveFile { .. }
            | Effect::Spawn { .. }
            | Effect::Stage { .. }
            | Effect::WriteFile { .. } => {}
        }
    }

    /// An event came out; the view is that after the whole step.
    pub(crate) fn event(&mut self, event: &Event, view: View<'_>) {
        self.set(In::Event, Events::of(&event.kind) as usize);
        match &event.kind {
            EventKind::CandidateFailed { verdict } | EventKind::Crashed { verdict, .. } => {
                self.set(In::Verdict, Verdicts::of(&verdict.class) as usize);
            }
            EventKind::CircuitChanged { circuit, from, to, .. } => {
                self.meet(In::Circuit, Circuits::of(circuit) as usize, Changes::of(&(*from, *to)) as usize);
            }
            EventKind::DrainEnded { outcome, cut, .. } => {
                self.set(In::Drain, Drains::of(outcome) as usize);
                if *outcome == DrainOutcome::ForceStopped && !cut.is_empty() {
                    self.moment(Moment::CutAtDeadline);
                }
            }
            EventKind::EngineEnded { stopped_for, .. } => {
                if let (Some(pool), Some(incarnation)) = (event.pool, event.incarnation) {
                    self.asked.remove(&EngineRef { pool, incarnation });
                }
                if let Some(cause) = stopped_for {
                    self.stopped_for(*cause);
                }
            }
            EventKind::LeaseEnded { how, .. } => self.set(In::Lease, LeaseEndings::of(how) as usize),
            EventKind::OperationEnded { kind, outcome, .. } => {
                self.meet(In::Operation, Operations::of(kind) as usize, Outcomes::of(outcome) as usize);
            }
            EventKind::ProbeFailed { counted: false, .. } => self.moment(Moment::ProbeUncounted),
            EventKind::Resumed { adopted, ended } => {
                if *adopted > 0 {
                    self.moment(Moment::AdoptedAfterRestart);
                }
                if *ended > 0 {
                    self.moment(Moment::EndedWhileDown);
                }
            }
            EventKind::StaleInput => self.stale(event, view),
            EventKind::StormBegan { storm, storms_total, .. } => {
                self.set(In::Storm, Storms::of(storm) as usize);
                if *storms_total > 1 {
                    self.moment(Moment::SecondStorm);
                }
            }
            EventKind::BreakerReset
            | EventKind::Committed { .. }
            | EventKind::Deregistered
            | EventKind::DrainStarted { .. }
            | EventKind::EngineCleared
            | EventKind::EngineDoomed { .. }
            | EventKind::EngineReady { .. }
            | EventKind::EngineSpawned { .. }
            | EventKind::EngineStuck
            | EventKind::EngineSuspect { .. }
            | EventKind::FileFailed { .. }
            | EventKind::ModelStaged { .. }
            | EventKind::OperationStarted { .. }
            | EventKind::PhaseChanged { .. }
            | EventKind::PortStranger { .. }
            | EventKind::ProbeFailed { counted: true, .. }
            | EventKind::Registered
            | EventKind::RestartAllowed
            | EventKind::RestartHeldBack { .. }
            | EventKind::RestartPrevented { .. }
            | EventKind::RestartScheduled { .. }
            | EventKind::RestartsFrequent { .. }
            | EventKind::ShutdownStarted { .. }
            | EventKind::Signalled { .. } => {}
        }
    }

    /// The step is over, and it touched this pool.
    pub(crate) fn pool(&mut self, pool: &PoolView<'_>) {
        let wanted = Wants::of(&pool.wanted);
        self.set(In::Wanted, wanted as usize);
        if wanted == Wants::CleanExit {
            self.set(In::Verdict, Verdicts::Clean as usize);
        }
        if let Some(gates) = pool.gates {
            self.gates(gates);
        }
        self.hold(pool.uid, pool.held);
    }

    fn meets(&mut self, pool: &PoolView<'_>, input: &Input) {
        self.meet(In::Phase, Phases::of(&pool.phase) as usize, Inputs::of(input) as usize);
    }

    /// Inputs that cross something else that is under way.
    fn crossings(&mut self, input: &Input, due: Option<DueTimer>, before: View<'_>) {
        match input {
            Input::Timer => self.timer(due),
            Input::Command { pool, verb: Verb::Reload(reload), .. } => {
                if before.is_closing() {
                    self.moment(Moment::ReloadDuringShutdown);
                }
                match &reload.to {
                    ReloadTarget::Back => self.moment(Moment::ReloadBack),
                    ReloadTarget::Spec(spec) => {
                        if before.pool(*pool).is_some_and(|pool| pool.spec.hash == spec.hash) {
                            self.moment(Moment::ReloadSameSpec);
                        }
                    }
                }
            }
            Input::Shutdown { .. } => {
                if before.is_closing() {
                    self.moment(Moment::SecondShutdown);
                }
                let reloads = |pool: PoolView<'_>| {
                    pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload)
                };
                if before.pools().any(reloads) {
                    self.moment(Moment::ShutdownDuringReload);
                }
            }
            Input::Exited { engine, .. } => {
                let pool = before.pool(engine.pool);
                let current = pool.as_ref().and_then(|pool| pool.engine);
                let is_current = current.is_some_and(|current| current.incarnation == engine.incarnation);
                if is_current && current.is_some_and(|current| current.pid.is_none()) {
                    self.moment(Moment::ExitBeforeAck);
                }
                if is_current && pool.is_some_and(|pool| pool.held == Some(HoldReason::Stuck)) {
                    self.moment(Moment::ExitLiftsStuck);
                }
            }
            Input::LeaseWithdraw { ask, .. } => {
                if self.granted.remove(ask) {
                    self.moment(Moment::WithdrawnTooLate);
                }
            }
            Input::Command { .. }
            | Input::Completed { .. }
            | Input::GpuFault { .. }
            | Input::Gap { .. }
            | Input::LeaseAsk { .. }
            | Input::LeaseEnd { .. }
            | Input::LeaseRenew { .. }
            | Input::LogLine { .. }
            | Input::Register { .. }
            | Input::Resume(_)
            | Input::StageProgress { .. }
            | Input::Stalled => {}
        }
    }

    fn timer(&mut self, due: Option<DueTimer>) {
        let Some((at, Some(pool), _)) = due else { return };
        match &mut self.fired {
            Some((last, pools)) if *last == at => {
                let again = !pools.insert(pool);
                let several = pools.len() > 1;
                if again {
                    self.moment(Moment::TimersOfOnePool);
                }
                if several {
                    self.moment(Moment::TimersOfSeveralPools);
                }
            }
            Some(_) | None => self.fired = Some((at, BTreeSet::from([pool]))),
        }
    }

    fn reply(&mut self, command: CommandId, answer: &Answer) {
        self.set(In::Answer, Answers::of(answer) as usize);
        let at_once = self.news == Some(News::Ask(command));
        match answer {
            Answer::Refused(refusal) => {
                self.set(In::Refusal, Refusals::of(refusal) as usize);
                if let Refusal::Full { .. } = refusal {
                    self.moment(if at_once { Moment::QueueOverflow } else { Moment::QueuedTooLong });
                }
            }
            Answer::Granted { .. } => {
                self.granted.insert(command);
                if self.granted.len() > GRANTS_KEPT {
                    self.granted.pop_first();
                }
                if !at_once {
                    self.moment(Moment::QueuedThenGranted);
                }
            }
            Answer::Accepted { .. }
            | Answer::Done
            | Answer::LeaseEnded
            | Answer::LeaseEndedBefore { .. }
            | Answer::Registered { .. }
            | Answer::Renewed { .. }
            | Answer::Withdrawn => {}
        }
    }

    fn stopped_for(&mut self, cause: StopCause) {
        self.set(In::StopCause, StopCauses::of(&cause) as usize);
        if cause == StopCause::Asked {
            // An end that was asked for is no crash, so nobody is told its verdict.
            self.set(In::Verdict, Verdicts::Asked as usize);
        }
    }

    fn stale(&mut self, event: &Event, view: View<'_>) {
        let came_late = self.news == Some(News::SpawnedWell) && self.killed;
        if came_late {
            self.moment(Moment::LateSpawnKilled);
        }
        if event.pool.is_some_and(|uid| view.pool(uid).is_none()) {
            self.moment(Moment::StaleOfForgottenPool);
            if came_late {
                self.moment(Moment::LateSpawnOfForgottenPool);
            }
        }
        match self.news {
            Some(News::SpawnedWell | News::Answered) => self.moment(Moment::StaleEffect),
            Some(News::OfEngine) => self.moment(Moment::StaleIncarnation),
            Some(News::Ask(_) | News::Other) | None => {}
        }
    }

    fn gates(&mut self, gates: &Gates) {
        let Gates { backoff_until, window_until, circuit_until, limiter_until, release } = gates;
        let timed = [
            (backoff_until, Gate::Backoff),
            (window_until, Gate::Window),
            (circuit_until, Gate::Circuit),
            (limiter_until, Gate::Limiter),
        ];
        for (until, gate) in timed {
            if until.is_some() {
                self.set(In::Gate, gate as usize);
            }
        }
        match release {
            ReleaseGate::Unasked => {}
            ReleaseGate::Asked { .. } => self.set(In::Gate, Gate::ReleaseAsked as usize),
            ReleaseGate::Held { .. } => self.set(In::Gate, Gate::ReleaseHeld as usize),
            ReleaseGate::HostProblem { .. } => self.set(In::Gate, Gate::HostProblem as usize),
            ReleaseGate::PortStranger { .. } => self.set(In::Gate, Gate::PortStranger as usize),
        }
    }

    fn hold(&mut self, pool: PoolUid, now: Option<HoldReason>) {
        let before = match now {
            Some(reason) => self.held.insert(pool, reason),
            None if self.held.is_empty() => None,
            None => self.held.remove(&pool),
        };
        if before == now {
            return;
        }
        if let Some(reason) = now {
            self.set(In::HoldEntered, Holds::of(&reason) as usize);
        }
        if let Some(reason) = before {
            self.set(In::HoldLeft, Holds::of(&reason) as usize);
        }
    }

    const fn set(&mut self, room: In, row: usize) {
        self.marks.set(Mark::at(room, row, 0));
    }

    const fn meet(&mut self, room: In, row: usize, column: usize) {
        self.marks.set(Mark::at(room, row, column));
    }
}

impl News {
    const fn of(input: &Input) -> Self {
        match input {
            Input::LeaseAsk { command, .. } => Self::Ask(*command),
            Input::Completed { result: Completion::Spawned(Ok(_)), .. } => Self::SpawnedWell,
            Input::Completed { .. } | Input::StageProgress { .. } => Self::Answered,
            Input::Exited { .. } | Input::LogLine { .. } => Self::OfEngine,
            Input::Command { .. }
            | Input::GpuFault { .. }
            | Input::Gap { .. }
            | Input::LeaseEnd { .. }
            | Input::LeaseRenew { .. }
            | Input::LeaseWithdraw { .. }
            | Input::Register { .. }
            | Input::Resume(_)
            | Input::Shutdown { .. }
            | Input::Stalled
            | Input::Timer => Self::Other,
        }
    }
}
