//! A ready engine at work: leases and their queue, and liveness.

use alloc::vec::Vec;
use core::time::Duration;

use crate::answer::{Answer, Refusal};
use crate::deadline::Due;
use crate::errand::Errand;
use crate::event::EventKind;
use crate::id::{CommandId, Holder, LeaseId};
use crate::input::{Priority, ProbeAnswer};
use crate::lease::{Ask, LeaseEnding};
use crate::liveness::Pulse;
use crate::phase::{Engine, Phase, Serving, Trouble};
use crate::pool::{Cx, Pool};
use crate::time::Time;
use crate::verdict::StopCause;

/// What a lease ask says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseAsk {
    pub(crate) command: CommandId,
    pub(crate) correlation: crate::id::Correlation,
    pub(crate) holder: Holder,
    pub(crate) priority: Priority,
    pub(crate) ttl: Option<Duration>,
}

impl Pool {
    /// Grants, queues or refuses; never moves the pool.
    pub(crate) fn lease_ask(&mut self, cx: &mut Cx<'_>, ask: LeaseAsk) {
        if let Some(refusal) = self.lease_refusal(cx) {
            return cx.reply(ask.command, Answer::Refused(refusal));
        }
        let limits = &self.policy.lease;
        if self.leases.active() < limits.slots {
            self.grant(cx, ask);
            return self.tend_lease_deadlines();
        }
        if self.leases.queued() >= limits.queue {
            let retry_after = limits.queue_wait;
            return cx.reply(ask.command, Answer::Refused(Refusal::Full { retry_after }));
        }
        let LeaseAsk { command, correlation, holder, priority, ttl } = ask;
        let until = cx.now + limits.queue_wait;
        self.leases.enqueue(Ask { command, correlation, holder, priority, ttl, until });
        self.tend_lease_deadlines();
    }

    pub(crate) fn lease_end(&mut self, cx: &mut Cx<'_>, command: CommandId, lease: LeaseId) {
        let answer = if self.leases.end(lease, LeaseEnding::Completed) {
            Answer::LeaseEnded
        } else {
            self.ended_before(cx, lease)
        };
        let ended = answer == Answer::LeaseEnded;
        cx.reply(command, answer);
        if ended {
            self.slot_came_free(cx);
        }
    }

    pub(crate) fn lease_renew(
        &mut self,
        cx: &mut Cx<'_>,
        command: CommandId,
        lease: LeaseId,
        ttl: Option<Duration>,
    ) {
        let expires = self.expiry(cx.now, ttl);
        let answer = if self.leases.renew(lease, expires) {
            // While draining the deadline ends it first, if it comes first.
            let ends = expires.min(self.drain_deadline().unwrap_or(Time::NEVER));
            Answer::Renewed { expires: Some(ends).filter(|at| *at != Time::NEVER) }
        } else {
            self.ended_before(cx, lease)
        };
        cx.reply(command, answer);
        self.tend_lease_deadlines();
    }

    pub(crate) fn lease_withdraw(&mut self, cx: &mut Cx<'_>, ask: CommandId) {
        if self.leases.withdraw(ask).is_some() {
            cx.reply(ask, Answer::Withdrawn);
            self.tend_lease_deadlines();
        }
    }

    pub(super) fn expire_lease(&mut self, cx: &mut Cx<'_>) {
        if let Some(lease) = self.leases.expire_one(self.uid, cx.now) {
            self.lease_gone(cx, lease, LeaseEnding::Expired);
            self.slot_came_free(cx);
        }
        self.tend_lease_deadlines();
    }

    pub(super) fn refuse_oldest_ask(&mut self, cx: &mut Cx<'_>) {
        if let Some(ask) = self.leases.give_up_one(cx.now) {
            let retry_after = self.policy.lease.queue_wait;
            cx.reply(ask.command, Answer::Refused(Refusal::Full { retry_after }));
        }
        self.tend_lease_deadlines();
    }

    /// Ends every lease the same way, each said aloud and remembered.
    pub(super) fn end_leases(&mut self, cx: &mut Cx<'_>, how: LeaseEnding) -> Vec<LeaseId> {
        let ended = self.leases.end_all(self.uid, how);
        for lease in &ended {
            self.lease_gone(cx, *lease, how);
        }
        self.tend_lease_deadlines();
        ended
    }

    pub(super) fn liveness_answered(&mut self, cx: &mut Cx<'_>, serving: Serving, answer: ProbeAnswer) {
        let policy = &self.policy.liveness;
        let (liveness, pulse) = serving.liveness.answer(cx.now, answer, self.leases.progress(), policy);
        let signs = match pulse {
            Pulse::Beat => serving.engine.signs.healthy(),
            Pulse::Missed { .. } | Pulse::Dead { .. } => serving.engine.signs.missed(cx.now, answer),
        };
        let engine = Engine { signs, ..serving.engine };
        let serving = Serving { engine, liveness, ..serving };
        self.phase = Phase::Ready(serving);
        match pulse {
            Pulse::Beat => self.heartbeat = Some(cx.now),
            Pulse::Missed { misses, counted } => {
                self.tell(cx, EventKind::ProbeFailed { answer, misses, counted });
            }
            Pulse::Dead { misses } => {
                self.tell(cx, EventKind::ProbeFailed { answer, misses, counted: true });
            }
        }
        match (serving.trouble, pulse) {
            (Trouble::Suspect { until }, Pulse::Beat) if until <= cx.now => self.suspicion_over(cx),
            (Trouble::Suspect { .. }, Pulse::Missed { .. } | Pulse::Dead { .. }) => return self.doom(cx),
            (Trouble::None | Trouble::Suspect { .. } | Trouble::Doomed, _) => {}
        }
        if matches!(pulse, Pulse::Dead { .. }) {
            return self.stop_engine(cx, engine, StopCause::Unhealthy, self.policy.stop.grace);
        }
        // Liveness may be off: then only a suspect engine is probed, once.
        if self.deadlines.of(Due::ProbeSend).is_none() && !self.policy.liveness.interval.is_zero() {
            self.send_probe(cx);
        }
    }

    /// What only a ready pool has: a queue and probes.
    pub(super) fn leave_service(&mut self, cx: &mut Cx<'_>) {
        self.deadlines.disarm(Due::ProbeSend);
        self.drop_errand(Errand::Probe);
        for ask in self.leases.give_up_all() {
            let refusal = self.lease_refusal(cx);
            let full = Refusal::Full { retry_after: self.policy.lease.queue_wait };
            cx.reply(ask.command, Answer::Refused(refusal.unwrap_or(full)));
        }
        self.tend_lease_deadlines();
    }

    fn grant(&mut self, cx: &mut Cx<'_>, ask: LeaseAsk) {
        let Phase::Ready(serving) = &self.phase else { return };
        let engine = self.engine_ref(serving.engine.incarnation);
        let expires = self.expiry(cx.now, ask.ttl);
        let lease = self.leases.grant(engine, ask.holder, ask.priority, cx.now, expires);
        let expires = Some(expires).filter(|at| *at != Time::NEVER);
        cx.reply(ask.command, Answer::Granted { lease, expires });
    }

    fn expiry(&self, now: Time, ttl: Option<Duration>) -> Time {
        let ttl = ttl.unwrap_or(self.policy.lease.ttl);
        if ttl.is_zero() { Time::NEVER } else { now + ttl }
    }

    fn ended_before(&self, cx: &Cx<'_>, lease: LeaseId) -> Answer {
        if self.leases.was_granted(lease.sequence) {
            Answer::LeaseEndedBefore { how: cx.books.endings.find(lease) }
        } else {
            Answer::Refused(Refusal::UnknownLease)
        }
    }

    /// A lease ended: the queue moves up, or the drain is over.
    pub(super) fn slot_came_free(&mut self, cx: &mut Cx<'_>) {
        match &self.phase {
            Phase::Ready(_) => self.serve_queue(cx),
            Phase::Draining(..) => self.check_emptied(cx),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => {}
        }
        self.tend_lease_deadlines();
    }

    fn serve_queue(&mut self, cx: &mut Cx<'_>) {
        while self.leases.active() < self.policy.lease.slots {
            let Some(ask) = self.leases.next_ask() else { return };
            let Ask { command, correlation, holder, priority, ttl, until: _ } = ask;
            self.grant(cx, LeaseAsk { command, correlation, holder, priority, ttl });
        }
    }

    fn lease_gone(&self, cx: &mut Cx<'_>, lease: LeaseId, how: LeaseEnding) {
        cx.books.endings.keep(lease, how);
        self.tell(cx, EventKind::LeaseEnded { lease, how });
    }

    pub(super) fn tend_lease_deadlines(&mut self) {
        let expiry = self.leases.next_expiry().unwrap_or(Time::NEVER);
        self.deadlines.arm(Due::LeaseExpiry, expiry);
        let give_up = self.leases.next_give_up().unwrap_or(Time::NEVER);
        self.deadlines.arm(Due::QueueWait, give_up);
    }

    /// Why no lease can be had now; `None`: the pool is ready.
    fn lease_refusal(&self, cx: &Cx<'_>) -> Option<Refusal> {
        if cx.closing {
            return Some(Refusal::ShuttingDown);
        }
        let phase = self.phase.name();
        let being_changed = self.operation().is_some_and(|operation| operation.kind.replaces_engine());
        match &self.phase {
            Phase::Ready(Serving { trouble: Trouble::None, .. }) => None,
            Phase::Ready(_) => {
                let retry_after = self.policy.liveness.suspect_for;
                Some(Refusal::NotReady { phase, retry_after })
            }
            Phase::Draining(Serving { trouble: Trouble::None, .. }, drain) if !being_changed => {
                Some(Refusal::Draining { retry_after: drain.deadline().left(cx.now) })
            }
            Phase::Draining(..)
            | Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => {
                let retry_after = self.ready_in(cx.now);
                Some(if being_changed {
                    Refusal::Reloading { retry_after }
                } else {
                    Refusal::NotReady { phase, retry_after }
                })
            }
        }
    }

    /// A guess from what is known: the drain's deadline, the gate's time, the load time last seen.
    fn ready_in(&self, now: Time) -> Duration {
        let load = self.load_time.unwrap_or(self.policy.start.timeout);
        let least = Duration::from_secs(1);
        match &self.phase {
            Phase::Starting(Engine { spawned, .. }) => load.saturating_sub(now.since(*spawned)).max(least),
            Phase::Waiting(_) => {
                let gate = self.deadlines.of(Due::GateOpens).map_or(Duration::ZERO, |at| at.left(now));
                (gate + load).max(least)
            }
            Phase::Draining(_, drain) => drain.deadline().left(now) + load,
            Phase::Ready(_)
            | Phase::Stopped
            | Phase::Staging(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => load.max(least),
        }
    }
}
