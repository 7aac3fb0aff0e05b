//! From an engine to none: the stop ladder, the exit, the verdict, and what comes next.

use alloc::boxed::Box;
use core::time::Duration;

use crate::deadline::Due;
use crate::effect::{Effect, FileKind};
use crate::errand::Errand;
use crate::event::{DrainOutcome, EventKind};
use crate::id::Incarnation;
use crate::ladder::{Ladder, Step};
use crate::lease::LeaseEnding;
use crate::operation::{OperationKind, Outcome};
use crate::phase::{DownBy, Ended, Engine, Held, Phase, StartCause, Stopping, Wanted};
use crate::pool::{Cx, Drained, EVIDENCE_MARGIN, EVIDENCE_WITHIN, Pool, Running};
use crate::verdict::{CrashClass, End, Evidence, EvidenceReport, ExitStatus, StopCause, Verdict, judge};

impl Pool {
    /// A process ended.
    pub(crate) fn exited(&mut self, cx: &mut Cx<'_>, incarnation: Incarnation, status: ExitStatus) {
        if self.phase.engine().is_none_or(|engine| engine.incarnation != incarnation) {
            // It ended before the spawn that was given up could be acknowledged: nothing is left to stop.
            self.abandoned_spawns.retain(|_, abandoned| *abandoned != incarnation);
            return self.tell_of(cx, Some(incarnation), EventKind::StaleInput);
        }
        let stopped_for = match &self.phase {
            Phase::Stopping(stopping) | Phase::Held(Held::Stuck(stopping)) => Some(stopping.cause),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Ended(_)
            | Phase::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine) => None,
        };
        self.tell(cx, EventKind::EngineEnded { status, stopped_for });
        cx.books.quarantine.heal(self.uid);
        let Some(engine) = self.phase.engine().copied() else { return };
        if let Phase::Draining(_, drain) = self.phase {
            self.drain_lost_engine(cx, drain);
        }
        let lost = self.end_leases(cx, LeaseEnding::Lost);
        if let Some(running @ Running { drained: None, .. }) = &mut self.running
            && !lost.is_empty()
        {
            // It was being stopped for our own reasons when the operation came.
            running.drained = Some(Drained::EngineExited(lost));
        }
        self.forget_engine_deadlines();
        self.drop_errand(Errand::Spawn);
        let report = if stopped_for == Some(StopCause::Asked) {
            Some(EvidenceReport::default())
        } else {
            self.ask_evidence(cx, incarnation);
            None
        };
        self.enter(cx, Phase::Ended(Ended { engine, at: cx.now, status, stopped_for, report }));
        self.leave_service(cx);
        self.want_file(cx, incarnation, FileKind::Handoff, false);
        self.want_file(cx, incarnation, FileKind::Pid, false);
        self.settle(cx);
    }

    /// Asks why an engine ended.
    pub(super) fn ask_evidence(&mut self, cx: &mut Cx<'_>, incarnation: Incarnation) {
        let id = self.run_errand(cx, Errand::Evidence, EVIDENCE_WITHIN + EVIDENCE_MARGIN);
        let engine = self.engine_ref(incarnation);
        cx.outbox.effects.push_back(Effect::CollectEvidence { id, engine, within: EVIDENCE_WITHIN });
    }

    pub(super) fn explained(&mut self, cx: &mut Cx<'_>, report: EvidenceReport) {
        if let Phase::Ended(ended) = &mut self.phase {
            ended.report = Some(report);
        }
        self.settle(cx);
    }

    /// Tells an engine to end, by the ladder.
    pub(super) fn stop_engine(&mut self, cx: &mut Cx<'_>, engine: Engine, cause: StopCause, grace: Duration) {
        self.forget_engine_deadlines();
        let ladder = Ladder::Unspawned { grace };
        self.enter(cx, Phase::Stopping(Stopping { engine, cause, ladder }));
        self.leave_service(cx);
        self.want_file(cx, engine.incarnation, FileKind::Handoff, false);
        if engine.pid.is_some() {
            self.take_step(cx, Ladder::begin(cx.now, grace, &self.policy.stop));
        }
    }

    pub(super) fn take_step(&mut self, cx: &mut Cx<'_>, step: Step) {
        let Phase::Stopping(stopping) = self.phase else { return };
        self.phase = Phase::Stopping(Stopping { ladder: step.ladder, ..stopping });
        self.deadlines.disarm(Due::KillGrace);
        self.deadlines.arm(step.then, step.at);
        self.signal(cx, stopping.engine.incarnation, step.send);
    }

    /// KILL, unless it was sent before. An engine that does not exist yet gets it as its first signal.
    pub(super) fn kill_now(&mut self, cx: &mut Cx<'_>) {
        let Phase::Stopping(stopping) = self.phase else { return };
        match stopping.ladder {
            Ladder::Killed => {}
            Ladder::Termed => self.take_step(cx, Ladder::kill(cx.now, &self.policy.stop)),
            Ladder::Unspawned { .. } => {
                let ladder = Ladder::Unspawned { grace: Duration::ZERO };
                self.phase = Phase::Stopping(Stopping { ladder, ..stopping });
            }
        }
    }

    pub(super) fn declare_stuck(&mut self, cx: &mut Cx<'_>) {
        let Phase::Stopping(stopping) = self.phase else { return };
        self.tell(cx, EventKind::EngineStuck);
        cx.books.quarantine.put(self.uid, &self.spec_of(stopping.engine.cause).device_mask);
        self.hold(cx, Held::Stuck(stopping));
    }

    /// No process came of a start.
    pub(super) fn start_failed(&mut self, cx: &mut Cx<'_>, class: CrashClass, evidence: Evidence) {
        self.deadlines.disarm(Due::StartTimeout);
        self.conclude(cx, Verdict { class, evidence: [evidence].into() }, None);
    }

    /// An attempt is over: records it, ends what waited for it, and decides what comes next.
    pub(super) fn conclude(&mut self, cx: &mut Cx<'_>, verdict: Verdict, ended: Option<&Ended>) {
        let class = verdict.class;
        self.candidate = None;
        let cause = self.phase.subject().map(|engine| engine.cause);
        if cause != Some(StartCause::Candidate) {
            self.record(cx, &verdict, ended, cause);
        } else if class != CrashClass::Asked {
            self.tell(cx, EventKind::CandidateFailed { verdict: Box::new(verdict.clone()) });
        }
        let was_ready = ended.is_some_and(|ended| ended.engine.ready_since.is_some());
        match self.operation().map(|operation| operation.kind) {
            Some(
                OperationKind::Drain
                | OperationKind::Stop
                | OperationKind::Deregister
                | OperationKind::Shutdown,
            ) => return self.rest(cx),
            // The old engine is gone, one way or the other: a restart goes on with the new one.
            Some(OperationKind::Restart) if was_ready || class == CrashClass::Asked => {
                self.phase = Phase::Stopped;
                return self.begin_start(cx, StartCause::Asked);
            }
            Some(OperationKind::Reload) if self.reload_goes_on(cx, &verdict, ended) => {
                return self.advance_reload(cx);
            }
            // Somebody wants it up although it has just ended cleanly.
            Some(OperationKind::Preload | OperationKind::Reload)
                if was_ready && class == CrashClass::Clean =>
            {
                self.phase = Phase::Stopped;
                return self.begin_start(cx, StartCause::Asked);
            }
            Some(OperationKind::Preload | OperationKind::Restart | OperationKind::Reload) | None => {}
        }
        let ended_at = ended.map_or(cx.now, |ended| ended.at);
        self.next_by_policy(cx, class, ended_at);
        // A start failed, so its caller hears of it; the end of a ready engine is not what a preload
        // waits for. Said last, so that what comes next still carries the caller's correlation.
        if !was_ready && class != CrashClass::Asked {
            self.fail_start_operation(cx);
        }
    }

    /// Ends an operation that waited for Ready with the last error.
    pub(super) fn fail_start_operation(&mut self, cx: &mut Cx<'_>) {
        if self.awaits_ready()
            && let Some(error) = &self.supervision.last_error
        {
            let verdict = Box::new(error.verdict.clone());
            self.end_operation(cx, Outcome::Failed { verdict, also: None });
        }
    }

    /// Nothing runs and nothing is under way. A pool that was to be forgotten is forgotten now, even
    /// where the deregistration itself ended long ago because the engine was stuck.
    pub(super) fn rest(&mut self, cx: &mut Cx<'_>) {
        self.forget_start(cx);
        self.supervision.backoff_until = None;
        self.enter(cx, Phase::Stopped);
        let correlation = self.operation().map(|operation| operation.correlation);
        match &mut self.running {
            // A reload that prepares goes on: it ends the rest.
            Some(running) if running.operation.kind.waits_for_ready() => self.fail_start_operation(cx),
            Some(running) => {
                let outcome = match running.drained.take() {
                    None | Some(Drained::Emptied) => Outcome::Completed,
                    Some(Drained::Cut(cut)) if cut.is_empty() => Outcome::Completed,
                    Some(Drained::Cut(cut)) => Outcome::ForceStopped { cut },
                    Some(Drained::EngineExited(lost)) => Outcome::EngineExited { lost },
                };
                self.end_operation(cx, outcome);
            }
            None => {}
        }
        if self.wanted == Wanted::Down(DownBy::Deregister) {
            self.gone = true;
            cx.correlation = cx.correlation.or(correlation);
            self.tell(cx, EventKind::Deregistered);
        }
    }

    /// No start until the cause is gone; where none is wanted any more, there is nothing to hold.
    pub(super) fn hold(&mut self, cx: &mut Cx<'_>, held: Held) {
        if self.wanted != Wanted::Up && !matches!(held, Held::Stuck(_)) {
            return self.rest(cx);
        }
        self.forget_start(cx);
        let recheck = match held {
            Held::Config { look: true } => Some(self.policy.restart.config_recheck),
            Held::NotReleased => Some(self.policy.restart.host_recheck),
            Held::Config { look: false } | Held::Quarantine | Held::Stuck(_) => None,
        };
        if let Some(recheck) = recheck {
            self.deadlines.arm(Due::Recheck, cx.now + recheck);
        }
        self.enter(cx, Phase::Held(held));
        match held {
            Held::Stuck(_) => self.end_operation(cx, Outcome::Stuck),
            Held::Config { .. } | Held::NotReleased | Held::Quarantine => self.fail_start_operation(cx),
        }
    }

    /// Drops what a start had under way.
    pub(super) fn forget_start(&mut self, cx: &mut Cx<'_>) {
        for due in [Due::GateOpens, Due::Recheck, Due::StartTimeout] {
            self.deadlines.disarm(due);
        }
        self.drop_errand(Errand::Release);
        self.drop_stage(cx, Errand::Stage);
    }

    /// Goes on when the end is explained and the engine's files are gone.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_>) {
        let tidy = self.files.is_settled(FileKind::Pid) && self.files.is_settled(FileKind::Handoff);
        let Phase::Ended(ended) = &self.phase else { return };
        let Some(report) = ended.report.as_ref().filter(|_| tidy) else { return };
        let ended = ended.clone();
        let Ended { engine, status, stopped_for, .. } = ended;
        let was_ready = engine.ready_since.is_some();
        let signs = &engine.signs;
        let (at, signs_count_for) = (ended.at, self.policy.liveness.suspect_for);
        let xid = signs.recent_xid(at, signs_count_for);
        let verdict = judge(End { stopped_for, was_ready, status, report, signs, at, signs_count_for, xid });
        self.conclude(cx, verdict, Some(&ended));
    }

    /// Cuts every lease and stops the engine, now. `grace` zero: KILL at once.
    pub(super) fn cut_and_stop(&mut self, cx: &mut Cx<'_>, engine: Engine, grace: Duration) {
        let cut = self.end_leases(cx, LeaseEnding::Cut);
        if let Phase::Draining(_, drain) = self.phase
            && !self.is_drained()
        {
            let outcome = if cut.is_empty() { DrainOutcome::Superseded } else { DrainOutcome::ForceStopped };
            self.drain_over(cx, drain, outcome, Drained::Cut(cut));
        } else if let Some(running) = &mut self.running {
            running.drained = Some(Drained::Cut(cut));
        }
        self.stop_engine(cx, engine, StopCause::Asked, grace);
    }

    /// What is due for an engine while it lives, and for the drain that waits for its leases.
    fn forget_engine_deadlines(&mut self) {
        for due in [
            Due::StartTimeout,
            Due::Stable,
            Due::RestartCountReset,
            Due::DrainDeadline,
            Due::KillGrace,
            Due::StuckWait,
            Due::SuspectOver,
            Due::TrialOver,
        ] {
            self.deadlines.disarm(due);
        }
    }
}
