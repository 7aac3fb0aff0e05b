//! What a pool asks of the world and hears of it: effects are opened as errands, each with the deadline by which
//! it is answered one way or the other; PID and handoff files; probes.

use alloc::boxed::Box;
use core::time::Duration;

use crate::deadline::Due;
use crate::effect::{Effect, FileKind, ProbeKind};
use crate::errand::Errand;
use crate::event::EventKind;
use crate::files::FileAction;
use crate::id::{EffectId, Incarnation};
use crate::input::{Completion, FileError, ProbeAnswer, ReleaseAnswer, SpawnError, StageError};
use crate::phase::{Engine, Phase, Trouble};
use crate::pool::{ANSWER_MARGIN, Cx, FILE_WITHIN, Pool};
use crate::verdict::EvidenceReport;

impl Pool {
    /// An effect was answered.
    pub(crate) fn completed(&mut self, cx: &mut Cx<'_>, sequence: u64, result: Completion) {
        if let Some(incarnation) = self.abandoned_spawns.remove(&sequence) {
            return self.stop_late_spawn(cx, incarnation, &result);
        }
        let Some(errand) = self.errands.answered(sequence) else {
            return self.tell(cx, EventKind::StaleInput);
        };
        self.deadlines.disarm(errand.due());
        self.answered(cx, errand, result);
    }

    /// Staging moved: its patience begins anew.
    pub(crate) fn stage_progress(&mut self, cx: &mut Cx<'_>, sequence: u64) {
        let staging = [Errand::Stage, Errand::StageNext];
        let Some(errand) = staging.into_iter().find(|one| self.errands.sequence(*one) == Some(sequence))
        else {
            return self.tell(cx, EventKind::StaleInput);
        };
        self.deadlines.arm(errand.due(), cx.now + self.policy.start.stage_stall);
    }

    /// Whether an answer to this effect would still mean something.
    pub(crate) fn awaits(&self, sequence: u64) -> bool {
        let open = Errand::ALL.into_iter().any(|errand| self.errands.sequence(errand) == Some(sequence));
        open || self.abandoned_spawns.contains_key(&sequence)
    }

    /// What one kind of answer means, whichever way it came.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, errand: Errand, result: Completion) {
        match (errand, result) {
            (Errand::Evidence, Completion::Evidence(report)) => self.explained(cx, *report),
            (Errand::HandoffFile, Completion::FileDone(result)) => {
                self.file_done(cx, FileKind::Handoff, result)
            }
            (Errand::PidFile, Completion::FileDone(result)) => self.file_done(cx, FileKind::Pid, result),
            (Errand::Probe, Completion::Probed(answer)) => self.probed(cx, answer),
            (Errand::Release, Completion::Released(answer)) => self.released(cx, answer),
            (Errand::Spawn, Completion::Spawned(result)) => self.spawned(cx, result),
            (Errand::Stage, Completion::Staged(result)) => self.staged(cx, result),
            (Errand::StageNext, Completion::Staged(result)) => self.next_staged(cx, result),
            (Errand::Preflight, Completion::Preflighted(result)) => self.preflighted(cx, result),
            (errand, result) => {
                debug_assert!(false, "E02: {errand:?} was answered with {result:?}");
            }
        }
    }

    /// No answer came in time: the errand is closed with the answer that silence means.
    pub(super) fn overdue(&mut self, cx: &mut Cx<'_>, errand: Errand) {
        let Some(sequence) = self.errands.close(errand) else { return };
        let result = match errand {
            Errand::Evidence => Completion::Evidence(Box::<EvidenceReport>::default()),
            Errand::HandoffFile | Errand::PidFile => Completion::FileDone(Err(FileError::TimedOut)),
            Errand::Probe => Completion::Probed(ProbeAnswer::TimedOut),
            Errand::Release => Completion::Released(ReleaseAnswer::Held),
            Errand::Spawn => {
                if let Some(engine) = self.phase.engine() {
                    self.abandoned_spawns.insert(sequence, engine.incarnation);
                }
                Completion::Spawned(Err(SpawnError::TimedOut))
            }
            Errand::Preflight => Completion::Preflighted(Err(StageError::Stalled)),
            Errand::Stage | Errand::StageNext => {
                self.cancel_stage(cx, sequence);
                Completion::Staged(Err(StageError::Stalled))
            }
        };
        self.answered(cx, errand, result);
    }

    /// Opens an errand, with the deadline by which it is answered one way or the other.
    pub(super) fn run_errand(&mut self, cx: &Cx<'_>, errand: Errand, within: Duration) -> EffectId {
        self.deadlines.arm(errand.due(), cx.now + within);
        EffectId { pool: self.uid, sequence: self.errands.open(errand) }
    }

    /// Gives an errand up; its answer will be stale.
    pub(super) fn drop_errand(&mut self, errand: Errand) {
        self.errands.close(errand);
        self.deadlines.disarm(errand.due());
    }

    /// Gives up a staging that runs.
    pub(super) fn drop_stage(&mut self, cx: &mut Cx<'_>, errand: Errand) {
        self.deadlines.disarm(errand.due());
        if let Some(sequence) = self.errands.close(errand) {
            self.cancel_stage(cx, sequence);
        }
    }

    pub(super) fn cancel_stage(&self, cx: &mut Cx<'_>, sequence: u64) {
        let id = EffectId { pool: self.uid, sequence };
        cx.outbox.effects.push_back(Effect::CancelStage { id });
    }

    /// Brings a file closer to what is wanted of it.
    pub(super) fn tend_file(&mut self, cx: &mut Cx<'_>, incarnation: Incarnation, file: FileKind) {
        let Some(action) = self.files.begin(file) else { return };
        let errand = match file {
            FileKind::Handoff => Errand::HandoffFile,
            FileKind::Pid => Errand::PidFile,
        };
        let id = self.run_errand(cx, errand, FILE_WITHIN);
        let engine = self.engine_ref(incarnation);
        cx.outbox.effects.push_back(match action {
            FileAction::Remove => Effect::RemoveFile { id, engine, file },
            FileAction::Write => Effect::WriteFile { id, engine, file },
        });
    }

    pub(super) fn want_file(
        &mut self,
        cx: &mut Cx<'_>,
        incarnation: Incarnation,
        file: FileKind,
        wanted: bool,
    ) {
        self.files.want(file, wanted);
        self.tend_file(cx, incarnation, file);
    }

    pub(super) fn file_done(&mut self, cx: &mut Cx<'_>, file: FileKind, result: Result<(), FileError>) {
        self.files.done(file);
        if let Err(error) = result {
            self.tell(cx, EventKind::FileFailed { file, error });
        }
        if let Some(incarnation) = self.phase.subject().map(|engine| engine.incarnation) {
            self.tend_file(cx, incarnation, file);
        }
        match &self.phase {
            Phase::Starting(_) if file == FileKind::Pid => self.send_probe(cx),
            Phase::Ended(_) => self.settle(cx),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Held(_) => {}
        }
    }

    pub(super) fn probe(&mut self, cx: &mut Cx<'_>, engine: &Engine, kind: ProbeKind) {
        let (timeout, interval) = match kind {
            ProbeKind::Liveness => (self.policy.liveness.timeout, self.policy.liveness.interval),
            ProbeKind::Readiness => (self.policy.start.probe_timeout, self.policy.start.probe_interval),
        };
        let id = self.run_errand(cx, Errand::Probe, timeout + ANSWER_MARGIN);
        if !interval.is_zero() {
            self.deadlines.arm(Due::ProbeSend, cx.now + interval);
        }
        let engine = self.engine_ref(engine.incarnation);
        cx.outbox.effects.push_back(Effect::Probe { id, engine, kind, timeout });
    }

    /// The deadline of probes is near: one is sent, unless the last is still out; then its answer
    /// sends the next.
    pub(super) fn send_probe(&mut self, cx: &mut Cx<'_>) {
        if self.errands.is_open(Errand::Probe) {
            return;
        }
        match &self.phase {
            Phase::Starting(engine) if engine.pid.is_some() => {
                let engine = *engine;
                self.probe(cx, &engine, ProbeKind::Readiness);
            }
            Phase::Ready(serving)
                if !self.policy.liveness.interval.is_zero()
                    || matches!(serving.trouble, Trouble::Suspect { .. }) =>
            {
                let engine = serving.engine;
                self.probe(cx, &engine, ProbeKind::Liveness);
            }
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => {}
        }
    }

    pub(super) fn probed(&mut self, cx: &mut Cx<'_>, answer: ProbeAnswer) {
        // Leaving these two phases drops the errand, so no answer can arrive elsewhere.
        match self.phase {
            Phase::Starting(engine) => self.readiness_answered(cx, engine, answer),
            Phase::Ready(serving) => self.liveness_answered(cx, serving, answer),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => debug_assert!(false, "E03: a probe was answered in {:?}", self.phase.name()),
        }
    }
}
