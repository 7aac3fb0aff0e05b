//! Commands on a pool: how each meets the operation that runs, and what it does in every phase.

use alloc::boxed::Box;
use core::time::Duration;

use crate::answer::{Answer, Refusal};
use crate::errand::Errand;
use crate::event::{DrainOutcome, EventKind};
use crate::id::{CommandId, Correlation, OperationId};
use crate::input::Verb;
use crate::lease::LeaseEnding;
use crate::operation::{Meeting, Operation, OperationKind, Outcome};
use crate::phase::{DownBy, Held, Phase, StartCause, Trouble, Wanted};
use crate::pool::{Cx, Drained, Pool, Running};
use crate::reload::{Progress, Reloading};
use crate::verdict::StopCause;

/// An operation with what it was asked to do.
#[derive(Clone, Debug)]
enum Task {
    Deregister(Duration),
    Drain(Duration),
    Preload,
    Reload(Box<Reloading>),
    Restart(Duration),
    Shutdown(Duration),
    Stop,
}

impl Task {
    const fn kind(&self) -> OperationKind {
        match self {
            Self::Deregister(_) => OperationKind::Deregister,
            Self::Drain(_) => OperationKind::Drain,
            Self::Preload => OperationKind::Preload,
            Self::Reload(_) => OperationKind::Reload,
            Self::Restart(_) => OperationKind::Restart,
            Self::Shutdown(_) => OperationKind::Shutdown,
            Self::Stop => OperationKind::Stop,
        }
    }
}

impl Pool {
    /// Carries a command out, or refuses it. Exactly one reply.
    pub(crate) fn command(
        &mut self,
        cx: &mut Cx<'_>,
        command: CommandId,
        correlation: Correlation,
        verb: Verb,
    ) {
        if cx.closing {
            return cx.reply(command, Answer::Refused(Refusal::ShuttingDown));
        }
        let patience = self.policy.drain.deadline;
        let task = match verb {
            Verb::AllowRestart => return self.allow_restart(cx, command),
            Verb::ResetBreaker => return self.reset_breaker(cx, command),
            Verb::Undrain => return self.undrain(cx, command),
            Verb::Deregister => Task::Deregister(patience),
            Verb::Drain { deadline } => Task::Drain(deadline.unwrap_or(patience)),
            Verb::Preload => Task::Preload,
            Verb::Reload(ask) => match self.plan_reload(*ask) {
                Ok(reload) => Task::Reload(Box::new(reload)),
                Err(refusal) => return cx.reply(command, Answer::Refused(refusal)),
            },
            Verb::Restart => Task::Restart(patience),
            Verb::Stop => Task::Stop,
        };
        let kind = task.kind();
        let running = self.operation().map(|operation| (operation.kind, operation.id));
        let operation = match running.map(|(running, id)| (kind.meets(running), running, id)) {
            Some((Meeting::Refused, with, _)) => {
                return cx.reply(command, Answer::Refused(Refusal::Busy { with }));
            }
            Some((Meeting::Joins, _, operation)) => {
                cx.reply(command, Answer::Accepted { operation });
                return self.joined(cx, &task);
            }
            Some((Meeting::Supersedes, ..)) | None => {
                if let Some(refusal) = self.circuit_refusal(cx, kind) {
                    return cx.reply(command, Answer::Refused(refusal));
                }
                self.begin_operation(cx, kind, correlation)
            }
        };
        cx.reply(command, Answer::Accepted { operation });
        self.carry_out(cx, task);
    }

    /// The supervisor goes down: drain with this patience. Forced: kill what is left.
    pub(crate) fn shut_down(
        &mut self,
        cx: &mut Cx<'_>,
        correlation: Correlation,
        patience: Duration,
        forced: bool,
    ) {
        let kind = OperationKind::Shutdown;
        if self.operation().is_none_or(|operation| operation.kind != kind) {
            self.begin_operation(cx, kind, correlation);
            self.carry_out(cx, Task::Shutdown(patience));
        }
        if forced {
            self.force_down(cx);
        }
    }

    /// Ends the running operation and keeps its outcome.
    pub(super) fn end_operation(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        let Some(Running { mut operation, reload, .. }) = self.running.take() else { return };
        self.drop_errand(Errand::Preflight);
        self.drop_stage(cx, Errand::StageNext);
        if let Some(Reloading { progress: Progress::Candidate { wanted_before, .. }, target, .. }) =
            reload.map(|reload| *reload)
            && outcome != Outcome::Completed
        {
            // The candidate is given up: what was wanted of the pool before it is wanted again.
            self.wanted = wanted_before;
            if let Outcome::Superseded { .. } | Outcome::Stuck = outcome
                && self.phase.subject().is_some()
            {
                // It has yet to end, or its end to be explained.
                self.candidate = Some(Box::new(target));
            }
        }
        let (id, kind) = (operation.id, operation.kind);
        let took = cx.now.since(operation.started);
        operation.ended = Some((cx.now, outcome.clone()));
        let correlation = cx.correlation.replace(operation.correlation);
        self.tell(cx, EventKind::OperationEnded { operation: id, kind, outcome, took });
        cx.correlation = correlation;
        self.last_operation = Some(id);
        cx.books.outcomes.keep(operation);
    }

    fn begin_operation(
        &mut self,
        cx: &mut Cx<'_>,
        kind: OperationKind,
        correlation: Correlation,
    ) -> OperationId {
        // It goes on with what the superseded one began, so the leases that were cut stay named.
        let drained = self.running.as_mut().and_then(|running| running.drained.take());
        self.end_operation(cx, Outcome::Superseded { by: kind });
        cx.books.operations_issued += 1;
        let id = OperationId(cx.books.operations_issued);
        let operation = Operation { id, kind, pool: self.uid, correlation, started: cx.now, ended: None };
        self.running = Some(Running { operation, drained, reload: None, recalled: false });
        self.tell(cx, EventKind::OperationStarted { operation: id, kind });
        id
    }

    fn joined(&mut self, cx: &mut Cx<'_>, task: &Task) {
        match task {
            Task::Drain(patience) => self.join_drain(cx, *patience),
            Task::Deregister(_)
            | Task::Preload
            | Task::Reload(_)
            | Task::Restart(_)
            | Task::Shutdown(_)
            | Task::Stop => {}
        }
    }

    fn carry_out(&mut self, cx: &mut Cx<'_>, task: Task) {
        match task {
            Task::Preload => {
                self.wanted = Wanted::Up;
                self.bring_up(cx);
            }
            Task::Restart(patience) => {
                self.wanted = Wanted::Up;
                self.bring_round(cx, patience);
            }
            // What is wanted changes with what runs: when the candidate takes over.
            Task::Reload(reload) => self.begin_reload(cx, *reload),
            Task::Drain(patience) => {
                // It brings its own deadline: the drain of a restart would have given up, not cut.
                self.set_drain_deadline(cx, patience);
                self.wind_down(cx, DownBy::Drain, patience);
            }
            Task::Stop => {
                self.wanted = Wanted::Down(DownBy::Stop);
                self.bring_down(cx);
                self.cut_what_is_left(cx);
            }
            Task::Deregister(patience) => self.wind_down(cx, DownBy::Deregister, patience),
            // What is wanted stays: the next start of the supervisor goes on with it.
            Task::Shutdown(patience) => self.drain_down(cx, patience),
        }
    }

    /// A start that nobody may ask for while a circuit is open. A reload may: it is the cure for a bad model.
    fn circuit_refusal(&self, cx: &Cx<'_>, kind: OperationKind) -> Option<Refusal> {
        let until = self.open_circuit()?;
        let serves = matches!(self.phase, Phase::Ready(_));
        match kind {
            OperationKind::Preload if serves => None,
            OperationKind::Preload | OperationKind::Restart => {
                Some(Refusal::CircuitOpen { retry_after: until.left(cx.now) })
            }
            OperationKind::Reload
            | OperationKind::Drain
            | OperationKind::Stop
            | OperationKind::Deregister
            | OperationKind::Shutdown => None,
        }
    }

    /// Preload: a start where there is none, else the one under way.
    pub(super) fn bring_up(&mut self, cx: &mut Cx<'_>) {
        match &self.phase {
            Phase::Ready(_) => self.end_operation(cx, Outcome::Completed),
            Phase::Stopped | Phase::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine) => {
                self.begin_start(cx, StartCause::Asked);
            }
            Phase::Held(Held::Stuck(_)) => self.end_operation(cx, Outcome::Stuck),
            // Waits for Ready, or for the failure that comes instead.
            Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_) => {}
        }
    }

    /// Restart: drain, then start afresh.
    fn bring_round(&mut self, cx: &mut Cx<'_>, patience: Duration) {
        match self.phase {
            Phase::Ready(serving) => self.begin_drain(cx, serving, patience),
            Phase::Starting(engine) => {
                self.stop_engine(cx, engine, StopCause::Asked, self.policy.stop.grace);
            }
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => self.bring_up(cx),
        }
    }

    fn wind_down(&mut self, cx: &mut Cx<'_>, by: DownBy, patience: Duration) {
        self.wanted = Wanted::Down(by);
        self.drain_down(cx, patience);
    }

    /// Drain and stop. A pool that is not ready has nothing in flight.
    fn drain_down(&mut self, cx: &mut Cx<'_>, patience: Duration) {
        match self.phase {
            Phase::Ready(serving) => self.begin_drain(cx, serving, patience),
            Phase::Draining(..) => self.join_drain(cx, patience),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => self.bring_down(cx),
        }
    }

    /// Stop now; what is in flight is cut.
    fn bring_down(&mut self, cx: &mut Cx<'_>) {
        let grace = self.policy.stop.grace;
        match self.phase {
            Phase::Ready(serving) | Phase::Draining(serving, _) => {
                self.cut_and_stop(cx, serving.engine, grace);
            }
            Phase::Starting(engine) => self.stop_engine(cx, engine, StopCause::Asked, grace),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine) => self.rest(cx),
            Phase::Held(Held::Stuck(_)) => self.end_operation(cx, Outcome::Stuck),
            // The end is under way already.
            Phase::Stopping(_) | Phase::Ended(_) => {}
        }
    }

    /// An engine that was being stopped already, for our own reasons, may still have leases.
    fn cut_what_is_left(&mut self, cx: &mut Cx<'_>) {
        let cut = self.end_leases(cx, LeaseEnding::Cut);
        if let Some(running) = &mut self.running
            && !cut.is_empty()
        {
            running.drained = Some(Drained::Cut(cut));
        }
    }

    /// KILL whatever is left, now.
    fn force_down(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Ready(serving) | Phase::Draining(serving, _) => {
                self.cut_and_stop(cx, serving.engine, Duration::ZERO);
            }
            Phase::Starting(engine) => self.stop_engine(cx, engine, StopCause::Asked, Duration::ZERO),
            Phase::Stopping(_) => self.kill_now(cx),
            Phase::Stopped | Phase::Staging(_) | Phase::Waiting(_) | Phase::Ended(_) | Phase::Held(_) => {}
        }
    }

    fn undrain(&mut self, cx: &mut Cx<'_>, command: CommandId) {
        let running = self.operation().map(|operation| (operation.kind, operation.id));
        let refusal = match (running, &self.phase) {
            (Some((OperationKind::Drain, operation)), Phase::Draining(..))
                if self.trouble() != Trouble::Doomed =>
            {
                cx.reply(command, Answer::Accepted { operation });
                self.wanted = Wanted::Up;
                return self.back_to_service(cx, DrainOutcome::Undrained, Outcome::Undrained);
            }
            (Some((OperationKind::Drain, _)), _) => Refusal::TooLate,
            (Some((with, _)), Phase::Draining(..)) => Refusal::Busy { with },
            (Some(_) | None, _) => Refusal::NotDraining,
        };
        cx.reply(command, Answer::Refused(refusal));
    }
}
