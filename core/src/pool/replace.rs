//! Reload: puts another spec in the place of the committed one, or leaves everything as it was. `reload` knows
//! how far it is; this file drains, stops, starts and rolls back for it.

use alloc::boxed::Box;
use core::time::Duration;

use crate::answer::Refusal;
use crate::effect::Effect;
use crate::errand::Errand;
use crate::event::{DrainOutcome, EventKind};
use crate::gate::Gates;
use crate::input::{ModelStamp, Preflight, Reload, ReloadTarget, StageError};
use crate::operation::{OperationKind, Outcome};
use crate::phase::{Ended, Held, Phase, StartCause, Trouble, Wanted};
use crate::pool::{Cx, Pool, Running};
use crate::reload::{Progress, Reloading};
use crate::spec::{EngineSpec, SpecHash};
use crate::time::Time;
use crate::verdict::{CrashClass, Evidence, StopCause, Verdict};

/// Longest time the core waits to hear what a reload would need.
const PREFLIGHT_WITHIN: Duration = Duration::from_secs(30);

impl Pool {
    /// What a reload is to bring about, or why it cannot be asked.
    pub(super) fn plan_reload(&self, ask: Reload) -> Result<Reloading, Refusal> {
        let Reload { to, deadline, on_drain_timeout, force } = ask;
        let target = match to {
            ReloadTarget::Spec(spec) => spec,
            ReloadTarget::Back => *self.previous.clone().ok_or(Refusal::NoPrevious)?,
        };
        Ok(Reloading {
            target,
            patience: deadline.unwrap_or(self.policy.drain.deadline),
            on_drain_timeout: on_drain_timeout.unwrap_or(self.policy.reload.on_drain_timeout),
            force,
            progress: Progress::Preflight,
            stage_asked: Time::ZERO,
            engine_ended: None,
        })
    }

    /// Begins a reload whose operation has just begun.
    pub(super) fn begin_reload(&mut self, cx: &mut Cx<'_>, reload: Reloading) {
        if let Some(running) = &mut self.running {
            running.reload = Some(Box::new(reload));
        }
        if self.trouble() != Trouble::Doomed {
            // The restart it supersedes would have drained for a model that is not staged yet.
            self.serve_again(cx, DrainOutcome::Superseded);
        }
        self.ask_preflight(cx);
    }

    /// Asks what the reload would need.
    pub(super) fn ask_preflight(&mut self, cx: &mut Cx<'_>) {
        let Some(spec) = self.reloading().map(|reload| reload.target.hash) else { return };
        let id = self.run_errand(cx, Errand::Preflight, PREFLIGHT_WITHIN);
        cx.outbox.effects.push_back(Effect::Preflight { id, pool: self.uid, spec });
    }

    /// Asks for the reload's model.
    pub(super) fn ask_stage_next(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let Some(reload) = self.reloading_mut() else { return };
        reload.stage_asked = now;
        let spec = reload.target.hash;
        let id = self.run_errand(cx, Errand::StageNext, self.policy.start.stage_stall);
        cx.outbox.effects.push_back(Effect::Stage { id, pool: self.uid, spec });
    }

    /// What the reload needs is known.
    pub(super) fn preflighted(&mut self, cx: &mut Cx<'_>, result: Result<Preflight, StageError>) {
        let preflight = match result {
            Ok(preflight) => preflight,
            Err(error) => return self.abandon_reload(cx, error),
        };
        let (spec, stamp) = (self.spec.clone(), self.stamp);
        let Some(reload) = self.reloading_mut() else { return };
        reload.preflighted(preflight, (&spec, stamp));
        if reload.progress == Progress::SameModel {
            self.wanted = Wanted::Up;
            return self.bring_up(cx);
        }
        self.ask_stage_next(cx);
        self.advance_reload(cx);
    }

    /// The reload's model is there, or is not.
    pub(super) fn next_staged(&mut self, cx: &mut Cx<'_>, result: Result<ModelStamp, StageError>) {
        match result {
            Ok(stamp) => {
                let Some(reload) = self.reloading_mut() else { return };
                reload.progress = Progress::There { stamp };
                let took = cx.now.since(reload.stage_asked);
                self.tell(cx, EventKind::ModelStaged { took });
                self.advance_reload(cx);
            }
            Err(error) => self.abandon_reload(cx, error),
        }
    }

    /// Takes the next step of a reload that prepares, from wherever the pool is.
    pub(super) fn advance_reload(&mut self, cx: &mut Cx<'_>) {
        let Some(reload) = self.reloading().filter(|reload| reload.is_preparing()) else { return };
        let (patience, staged) = (reload.patience, reload.staged());
        if !reload.may_drain() {
            return;
        }
        match (&self.phase, staged) {
            (&Phase::Ready(serving), _) => self.begin_drain(cx, serving, patience),
            (Phase::Draining(..), _) => self.check_emptied(cx),
            (&Phase::Starting(engine), Some(_)) => {
                self.stop_engine(cx, engine, StopCause::Asked, self.policy.stop.grace);
            }
            (
                Phase::Stopped
                | Phase::Staging(_)
                | Phase::Waiting(_)
                | Phase::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine),
                Some(stamp),
            ) => self.try_candidate(cx, stamp),
            (Phase::Held(Held::Stuck(_)), _) => self.end_operation(cx, Outcome::Stuck),
            // The end that is under way comes first.
            (Phase::Stopping(_) | Phase::Ended(_), _)
            | (
                Phase::Stopped
                | Phase::Staging(_)
                | Phase::Waiting(_)
                | Phase::Starting(_)
                | Phase::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine),
                None,
            ) => {}
        }
    }

    /// An attempt is over while a reload runs. `true`: what comes next is decided.
    pub(super) fn reload_goes_on(
        &mut self,
        cx: &mut Cx<'_>,
        verdict: &Verdict,
        ended: Option<&Ended>,
    ) -> bool {
        let class = verdict.class;
        let ended_at = ended.map_or(cx.now, |ended| ended.at);
        let Some(reload) = self.reloading_mut() else { return false };
        if reload.is_preparing() && class != CrashClass::Asked {
            reload.engine_ended = Some(Box::new(verdict.clone()));
        }
        match &reload.progress {
            Progress::SameModel => return false,
            &Progress::There { stamp } => {
                self.phase = Phase::Stopped;
                self.try_candidate(cx, stamp);
            }
            // What serves until the model is staged is supervised as ever.
            Progress::Preflight | Progress::Fetching | Progress::Checking => {
                self.next_by_policy(cx, class, ended_at);
            }
            Progress::Candidate { wanted_before, .. } => {
                let wanted_before = *wanted_before;
                self.roll_back(cx, Box::new(verdict.clone()), wanted_before);
            }
            Progress::RollingBack { .. } => {
                self.next_by_policy(cx, class, ended_at);
                self.fail_replacement(cx, class, verdict.evidence.first().copied());
            }
        }
        true
    }

    /// The candidate serves: from now on its spec is the pool's own.
    pub(super) fn commit(&mut self, cx: &mut Cx<'_>) {
        let Some(reload) = self.reloading() else { return };
        let Progress::Candidate { stamp, .. } = reload.progress else { return };
        let target = reload.target.clone();
        self.stamp = Some(stamp);
        let before = core::mem::replace(&mut self.spec, target);
        let committed = EventKind::Committed {
            from: before.catalog.clone().into(),
            to: self.spec.catalog.clone().into(),
        };
        self.tell(cx, committed);
        if before.hash != self.spec.hash {
            self.previous = Some(Box::new(before));
            self.start_afresh(cx);
        }
    }

    /// The old spec serves again after a reload that failed.
    pub(super) fn rolled_back(&mut self, cx: &mut Cx<'_>, cause: StartCause) {
        let Some(reload) = self.reloading_mut().filter(|_| cause == StartCause::Rollback) else { return };
        if let Progress::RollingBack { verdict } = &reload.progress {
            let outcome = Outcome::RolledBack { verdict: verdict.clone() };
            self.end_operation(cx, outcome);
        }
    }

    /// Neither the candidate nor the old spec could be started, for now: the reload's caller hears both.
    pub(super) fn fail_replacement(
        &mut self,
        cx: &mut Cx<'_>,
        class: CrashClass,
        evidence: Option<Evidence>,
    ) {
        let Some(reload) = self.reloading() else { return };
        let last = Box::new(Verdict { class, evidence: evidence.into_iter().collect() });
        let outcome = match &reload.progress {
            Progress::Candidate { .. } => {
                Outcome::Failed { verdict: last, also: reload.engine_ended.clone() }
            }
            Progress::RollingBack { verdict } => {
                Outcome::Failed { verdict: verdict.clone(), also: Some(last) }
            }
            Progress::Preflight
            | Progress::Fetching
            | Progress::Checking
            | Progress::There { .. }
            | Progress::SameModel => return,
        };
        self.end_operation(cx, outcome);
    }

    /// What a start for this cause executes.
    pub(super) fn spec_for(&self, cause: StartCause) -> SpecHash {
        self.spec_of(cause).hash
    }

    /// What is wanted of the pool if the candidate that is tried is given up.
    pub(super) fn wanted_without_candidate(&self) -> Wanted {
        match self.reloading().map(|reload| &reload.progress) {
            Some(Progress::Candidate { wanted_before, .. }) => *wanted_before,
            Some(
                Progress::Preflight
                | Progress::Fetching
                | Progress::Checking
                | Progress::There { .. }
                | Progress::RollingBack { .. }
                | Progress::SameModel,
            )
            | None => self.wanted,
        }
    }

    /// The reload that runs.
    pub(super) fn reloading(&self) -> Option<&Reloading> {
        self.running.as_ref().and_then(|running| running.reload.as_deref())
    }

    /// Whether the running operation ends well with the next Ready, and badly with a failed start. A reload that
    /// prepares or tries its candidate has its own ends.
    pub(super) fn awaits_ready(&self) -> bool {
        let kind = self.operation().map(|operation| operation.kind);
        match self.reloading() {
            Some(reload) => reload.progress == Progress::SameModel,
            None => kind.is_some_and(OperationKind::waits_for_ready),
        }
    }

    pub(super) fn spec_of(&self, cause: StartCause) -> &EngineSpec {
        match cause {
            StartCause::Candidate => {
                let tried = self.reloading().map(|reload| &reload.target);
                self.candidate.as_deref().or(tried).unwrap_or(&self.spec)
            }
            StartCause::Allowed
            | StartCause::Asked
            | StartCause::Automatic
            | StartCause::First
            | StartCause::Rollback => &self.spec,
        }
    }

    fn reloading_mut(&mut self) -> Option<&mut Reloading> {
        let Some(Running { reload, .. }) = &mut self.running else { return None };
        reload.as_deref_mut()
    }

    /// The old engine is gone and the model is staged: starts the new one, whatever gates and breaker say.
    fn try_candidate(&mut self, cx: &mut Cx<'_>, stamp: ModelStamp) {
        let wanted_before = core::mem::replace(&mut self.wanted, Wanted::Up);
        if let Some(reload) = self.reloading_mut() {
            reload.progress = Progress::Candidate { stamp, wanted_before };
        }
        self.forget_start(cx);
        self.wait(cx, Gates::default(), StartCause::Candidate);
    }

    /// The candidate failed: the old spec is started once, whatever mode, gates or breaker say. A pool that was
    /// down before is down again.
    fn roll_back(&mut self, cx: &mut Cx<'_>, verdict: Box<Verdict>, wanted_before: Wanted) {
        if wanted_before != Wanted::Up {
            self.wanted = wanted_before;
            self.end_operation(cx, Outcome::RolledBack { verdict });
            return self.rest(cx);
        }
        if let Some(reload) = self.reloading_mut() {
            reload.progress = Progress::RollingBack { verdict };
        }
        self.phase = Phase::Stopped;
        self.wait(cx, Gates::default(), StartCause::Rollback);
    }

    /// Its model cannot be had: the reload is given up, and what was drained for it serves again.
    fn abandon_reload(&mut self, cx: &mut Cx<'_>, error: StageError) {
        let also = self.reloading_mut().and_then(|reload| reload.engine_ended.take());
        let class = CrashClass::StageFailed(error);
        let verdict = Box::new(Verdict { class, evidence: [Evidence::Stage(error)].into() });
        if self.trouble() != Trouble::Doomed {
            self.serve_again(cx, DrainOutcome::Undrained);
        }
        self.end_operation(cx, Outcome::Failed { verdict, also });
    }
}
