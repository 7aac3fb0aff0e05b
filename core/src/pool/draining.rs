//! A pool that is taken out of service: by a drain, a restart, a reload or a shutdown, or because its engine is
//! doomed. What comes after the drain is its owner's; this file asks who that is.

use alloc::vec::Vec;
use core::time::Duration;

use crate::deadline::Due;
use crate::drain::Drain;
use crate::effect::FileKind;
use crate::event::{DrainOutcome, EventKind};
use crate::lease::LeaseEnding;
use crate::operation::{OperationKind, Outcome};
use crate::phase::{Phase, Serving, Trouble};
use crate::pool::{Cx, Drained, Pool, Running};
use crate::spec::OnDrainTimeout;
use crate::time::Time;
use crate::verdict::StopCause;

/// What the deadline of a drain means to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtDeadline {
    /// The rest is ended by us.
    Cut,
    /// The drain is taken back.
    GiveUp,
    /// The rest goes with the engine.
    Lose,
}

impl Pool {
    /// Takes a ready engine out of service: from this step on no lease is granted.
    pub(super) fn begin_drain(&mut self, cx: &mut Cx<'_>, serving: Serving, patience: Duration) {
        let drain = Drain::begin(cx.now, patience);
        if let Some(running) = &mut self.running {
            running.drained = None;
        }
        self.deadlines.disarm(Due::SuspectOver);
        self.enter(cx, Phase::Draining(serving, drain));
        self.leave_service(cx);
        self.deadlines.arm(Due::DrainDeadline, drain.deadline());
        let started = EventKind::DrainStarted { in_flight: self.leases.active(), deadline: drain.deadline() };
        self.tell(cx, started);
        self.want_file(cx, serving.engine.incarnation, FileKind::Handoff, false);
        self.check_emptied(cx);
    }

    /// A second drain joins the running one.
    pub(super) fn join_drain(&mut self, cx: &mut Cx<'_>, patience: Duration) {
        let Phase::Draining(serving, drain) = self.phase else { return };
        let drain = drain.join(cx.now, patience);
        self.phase = Phase::Draining(serving, drain);
        self.deadlines.arm(Due::DrainDeadline, drain.deadline());
        self.check_emptied(cx);
    }

    /// A drain that takes over a running one has a deadline of its own. A doomed engine has its own too.
    pub(super) fn set_drain_deadline(&mut self, cx: &Cx<'_>, patience: Duration) {
        let Phase::Draining(serving, drain) = self.phase else { return };
        let drain = match serving.trouble {
            Trouble::Doomed => drain.join(cx.now, patience),
            Trouble::None | Trouble::Suspect { .. } => drain.taken_over(cx.now, patience),
        };
        self.phase = Phase::Draining(serving, drain);
        self.deadlines.arm(Due::DrainDeadline, drain.deadline());
    }

    /// Ends the drain when nothing is in flight, and goes on unless its owner waits for more. Asked by
    /// whatever may have ended the last lease; nothing polls.
    pub(super) fn check_emptied(&mut self, cx: &mut Cx<'_>) {
        let Phase::Draining(_, drain) = self.phase else { return };
        if self.leases.active() > 0 {
            return;
        }
        if !self.is_drained() {
            self.drain_over(cx, drain, DrainOutcome::Completed, Drained::Emptied);
        }
        self.stop_drained(cx);
    }

    /// The drain's patience ended before its leases did.
    pub(super) fn drain_deadline_passed(&mut self, cx: &mut Cx<'_>) {
        let Phase::Draining(serving, drain) = self.phase else { return };
        match self.at_deadline(serving) {
            AtDeadline::GiveUp => return self.back_to_service(cx, DrainOutcome::TimedOut, Outcome::TimedOut),
            AtDeadline::Cut => {
                let cut = self.end_leases(cx, LeaseEnding::Cut);
                self.drain_over(cx, drain, DrainOutcome::ForceStopped, Drained::Cut(cut));
            }
            AtDeadline::Lose => {
                let lost = self.end_leases(cx, LeaseEnding::Lost);
                self.drain_over(cx, drain, DrainOutcome::EngineExited, Drained::EngineExited(lost));
            }
        }
        self.stop_drained(cx);
    }

    /// The engine ended under the drain.
    pub(super) fn drain_lost_engine(&mut self, cx: &mut Cx<'_>, drain: Drain) {
        let lost = self.end_leases(cx, LeaseEnding::Lost);
        if !self.is_drained() {
            self.drain_over(cx, drain, DrainOutcome::EngineExited, Drained::EngineExited(lost));
        }
    }

    /// A drain that has not signalled the engine is taken back, and the operation it was for ends so.
    pub(super) fn back_to_service(&mut self, cx: &mut Cx<'_>, drained: DrainOutcome, outcome: Outcome) {
        self.serve_again(cx, drained);
        self.end_operation(cx, outcome);
    }

    /// A drain that has not signalled the engine is taken back.
    pub(super) fn serve_again(&mut self, cx: &mut Cx<'_>, outcome: DrainOutcome) {
        let Phase::Draining(serving, drain) = self.phase else { return };
        self.deadlines.disarm(Due::DrainDeadline);
        if !self.is_drained() {
            let took = cx.now.since(drain.started());
            self.tell(cx, EventKind::DrainEnded { outcome, took, cut: Vec::new(), lost: Vec::new() });
        }
        if let Some(running) = &mut self.running {
            running.drained = None;
        }
        self.enter(cx, Phase::Ready(serving));
        match serving.trouble {
            // Nobody probed it while it drained: the probe that is sent now clears it or not.
            Trouble::Suspect { until } => self.deadlines.arm(Due::SuspectOver, until),
            Trouble::None | Trouble::Doomed => {
                self.want_file(cx, serving.engine.incarnation, FileKind::Handoff, true);
            }
        }
        self.send_probe(cx);
    }

    /// Ends a drain for observers and for the operation that owns it.
    pub(super) fn drain_over(
        &mut self,
        cx: &mut Cx<'_>,
        drain: Drain,
        outcome: DrainOutcome,
        drained: Drained,
    ) {
        let took = cx.now.since(drain.started());
        let (cut, lost) = match &drained {
            Drained::Cut(cut) => (cut.clone(), Vec::new()),
            Drained::Emptied => (Vec::new(), Vec::new()),
            Drained::EngineExited(lost) => (Vec::new(), lost.clone()),
        };
        self.tell(cx, EventKind::DrainEnded { outcome, took, cut, lost });
        if let Some(running) = &mut self.running {
            running.drained = Some(drained);
        }
        self.deadlines.disarm(Due::DrainDeadline);
    }

    pub(super) const fn drain_deadline(&self) -> Option<Time> {
        match &self.phase {
            Phase::Draining(_, drain) => Some(drain.deadline()),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => None,
        }
    }

    /// The engine is out of service and idle: stops it, unless a reload still waits for its model.
    pub(super) fn stop_drained(&mut self, cx: &mut Cx<'_>) {
        let Phase::Draining(serving, _) = self.phase else { return };
        let doomed = serving.trouble == Trouble::Doomed;
        let waits = self.reloading().is_some_and(|reload| reload.is_preparing() && reload.staged().is_none());
        if waits && !doomed {
            return;
        }
        let forced = matches!(&self.running, Some(Running { drained: Some(Drained::Cut(_)), .. }));
        let grace = if forced { self.policy.drain.force_grace } else { self.policy.stop.grace };
        let cause = if doomed { StopCause::Doomed } else { StopCause::Asked };
        self.stop_engine(cx, serving.engine, cause, grace);
    }

    /// The drain of the running operation is over, and said so.
    pub(super) fn is_drained(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.drained.is_some())
    }

    fn at_deadline(&self, serving: Serving) -> AtDeadline {
        if serving.trouble == Trouble::Doomed {
            return AtDeadline::Lose;
        }
        match (self.operation().map(|operation| operation.kind), self.reloading()) {
            (Some(OperationKind::Reload), Some(reload)) => match reload.on_drain_timeout {
                OnDrainTimeout::Abort => AtDeadline::GiveUp,
                OnDrainTimeout::Force => AtDeadline::Cut,
            },
            (Some(OperationKind::Restart | OperationKind::Reload), _) => AtDeadline::GiveUp,
            (
                Some(
                    OperationKind::Preload
                    | OperationKind::Drain
                    | OperationKind::Stop
                    | OperationKind::Deregister
                    | OperationKind::Shutdown,
                )
                | None,
                _,
            ) => AtDeadline::Cut,
        }
    }
}
