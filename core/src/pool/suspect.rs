//! CUDA errors of a live engine. Its log speaks of one: the engine is *suspect*, out of service and probed at
//! once. An exit, a failed probe or an Xid on its GPUs soon after *dooms* it: it is drained for a short while and
//! ended, which is its one counted crash. Else it is cleared: a prompt that was echoed into the log must not
//! restart an engine.

use crate::deadline::Due;
use crate::effect::FileKind;
use crate::errand::Errand;
use crate::event::EventKind;
use crate::id::Incarnation;
use crate::phase::{Engine, Phase, Serving, Trouble};
use crate::pool::{Cx, Pool};
use crate::signs::Signs;
use crate::verdict::{LogClass, LogEvidence};

impl Pool {
    /// A live engine logged a line that means something.
    pub(crate) fn log_line(&mut self, cx: &mut Cx<'_>, incarnation: Incarnation, line: LogEvidence) {
        if self.phase.engine().is_none_or(|engine| engine.incarnation != incarnation) {
            return self.tell_of(cx, Some(incarnation), EventKind::StaleInput);
        }
        if line.class != LogClass::CudaError {
            // Read again when it has ended; alone it takes no engine out of service.
            return;
        }
        let now = cx.now;
        self.note(|signs| signs.cuda_error(line, now));
        if self.recent_xid(cx).is_some() || self.policy.liveness.log_is_trusted {
            self.doom(cx);
        } else {
            self.suspect(cx, line.offset);
        }
    }

    /// The driver of a GPU of the mask reported an error.
    pub(crate) fn gpu_fault(&mut self, cx: &mut Cx<'_>, xid: u32) {
        let now = cx.now;
        self.note(|signs| signs.xid(xid, now));
        let span = self.policy.liveness.suspect_for;
        let spoke = self.phase.engine().is_some_and(|engine| engine.signs.cuda_line(now, span).is_some());
        if spoke {
            self.doom(cx);
        }
    }

    /// Nothing followed the line: the engine serves again.
    pub(super) fn suspicion_over(&mut self, cx: &mut Cx<'_>) {
        let Phase::Ready(serving @ Serving { trouble: Trouble::Suspect { .. }, .. }) = self.phase else {
            return;
        };
        if self.errands.is_open(Errand::Probe) {
            // A slow engine may answer later than it is suspected for: its answer decides, or its silence.
            return;
        }
        self.deadlines.disarm(Due::SuspectOver);
        self.phase = Phase::Ready(Serving { trouble: Trouble::None, ..serving });
        self.note(Signs::cleared);
        self.tell(cx, EventKind::EngineCleared);
        self.want_file(cx, serving.engine.incarnation, FileKind::Handoff, true);
    }

    /// It is confirmed: what is in flight has a short while, then the engine is ended. One that does not serve is
    /// judged when it has ended.
    pub(super) fn doom(&mut self, cx: &mut Cx<'_>) {
        let patience = self.policy.liveness.doom_drain;
        let xid = self.recent_xid(cx);
        match self.phase {
            Phase::Ready(serving) => {
                self.tell(cx, EventKind::EngineDoomed { xid });
                self.begin_drain(cx, Serving { trouble: Trouble::Doomed, ..serving }, patience);
            }
            Phase::Draining(serving, drain) if serving.trouble != Trouble::Doomed => {
                self.tell(cx, EventKind::EngineDoomed { xid });
                self.phase = Phase::Draining(Serving { trouble: Trouble::Doomed, ..serving }, drain);
                self.join_drain(cx, patience);
            }
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => {}
        }
    }

    pub(super) const fn trouble(&self) -> Trouble {
        match &self.phase {
            Phase::Ready(serving) | Phase::Draining(serving, _) => serving.trouble,
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => Trouble::None,
        }
    }

    /// Only an engine that serves can be taken out of service.
    fn suspect(&mut self, cx: &mut Cx<'_>, offset: u64) {
        let Phase::Ready(serving @ Serving { trouble: Trouble::None, .. }) = self.phase else { return };
        let until = cx.now + self.policy.liveness.suspect_for;
        self.phase = Phase::Ready(Serving { trouble: Trouble::Suspect { until }, ..serving });
        self.tell(cx, EventKind::EngineSuspect { offset });
        self.leave_service(cx);
        self.want_file(cx, serving.engine.incarnation, FileKind::Handoff, false);
        self.deadlines.arm(Due::SuspectOver, until);
        // A probe that was out is asked afresh: its answer may be older than the line.
        self.drop_errand(Errand::Probe);
        self.send_probe(cx);
    }

    fn recent_xid(&self, cx: &Cx<'_>) -> Option<u32> {
        let span = self.policy.liveness.suspect_for;
        self.phase.engine().and_then(|engine| engine.signs.recent_xid(cx.now, span))
    }

    fn note(&mut self, see: impl FnOnce(Signs) -> Signs) {
        if let Some(engine) = self.phase.engine_mut() {
            let Engine { signs, .. } = *engine;
            engine.signs = see(signs);
        }
    }
}
