//! The supervisor was started again: what was under way is closed as interrupted, and what the phase still needs
//! is asked afresh under new ids. Engines that live are ours again, those that ended meanwhile have ended.
//!
//! Drain deadlines, circuits and windows do not move; leases get one grace, because their holders could not
//! renew; an engine that was loading gets one more probe.

use crate::deadline::Due;
use crate::effect::{FileKind, Signal};
use crate::errand::Errand;
use crate::event::{DrainOutcome, EventKind};
use crate::gate::Gates;
use crate::id::EngineRef;
use crate::input::{Adopted, SpawnError};
use crate::ladder::Ladder;
use crate::operation::{OperationKind, Outcome};
use crate::phase::{Engine, Held, Phase, Serving, StartCause, Stopping, Trouble, Wanted};
use crate::pool::{ANSWER_MARGIN, Cx, LEASE_GRACE, Pool, Running};
use crate::reload::Progress;
use crate::time::Time;
use crate::verdict::ExitStatus;

/// What became of the engine a pool knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs, and is ours again.
    Alive { pid: u32 },
    /// It ended meanwhile.
    Ended(ExitStatus),
    /// Nothing is found of it.
    Gone,
}

impl Pool {
    /// The engine a pool would know again.
    pub(crate) fn known_engine(&self) -> Option<&Engine> {
        self.phase.engine()
    }

    /// What became of the engine it knows.
    fn fate(&self, alive: &[Adopted], ended: &[(EngineRef, ExitStatus)]) -> Fate {
        let Some(engine) = self.phase.engine() else { return Fate::Gone };
        let known = self.engine_ref(engine.incarnation);
        if let Some(adopted) = alive.iter().find(|adopted| adopted.engine == known) {
            return Fate::Alive { pid: adopted.pid };
        }
        let ended = ended.iter().find(|(engine, _)| *engine == known);
        ended.map_or(Fate::Gone, |(_, status)| Fate::Ended(*status))
    }

    /// Goes on after a restart of the supervisor.
    pub(crate) fn resume(&mut self, cx: &mut Cx<'_>, alive: &[Adopted], ended: &[(EngineRef, ExitStatus)]) {
        let fate = self.fate(alive, ended);
        self.close_everything(cx);
        self.leases.hold_off_expiry(cx.now + LEASE_GRACE);
        self.leases.skip_unknown(cx.epoch);
        self.tend_lease_deadlines();
        // Until the end of this step nothing is known of circuits whose time passed meanwhile.
        self.circuit_time_passed(cx);
        match self.phase.engine().copied() {
            Some(engine) => self.resume_engine(cx, engine, fate),
            None => self.resume_without_engine(cx),
        }
        self.resume_reload(cx);
    }

    /// No effect of the supervisor that is gone will be answered, and nobody waits for its answers.
    fn close_everything(&mut self, cx: &mut Cx<'_>) {
        for errand in Errand::ALL {
            self.drop_errand(errand);
        }
        self.abandoned_spawns.clear();
        self.files.interrupted();
        if let Phase::Waiting(waiting) = &mut self.phase {
            waiting.gates = waiting.gates.asked_afresh(cx.now);
        }
        // Whoever waited for a lease waited at a connection that is gone.
        self.leases.give_up_all();
        let is_over =
            |running: &Running| running.recalled || running.operation.kind == OperationKind::Shutdown;
        if self.running.as_ref().is_some_and(is_over) {
            self.end_operation(cx, Outcome::Interrupted);
        }
    }

    fn resume_engine(&mut self, cx: &mut Cx<'_>, engine: Engine, fate: Fate) {
        match fate {
            Fate::Alive { pid } => self.adopt(cx, Engine { pid: Some(pid), ..engine }),
            Fate::Ended(status) => self.exited(cx, engine.incarnation, status),
            Fate::Gone if engine.pid.is_some() => self.exited(cx, engine.incarnation, ExitStatus::Unknown),
            // The spawn was never acknowledged, and nothing came of it.
            Fate::Gone => self.spawn_never_was(cx, engine),
        }
    }

    /// The engine lives: the phase goes on with it.
    fn adopt(&mut self, cx: &mut Cx<'_>, engine: Engine) {
        let acknowledged = self.phase.engine().is_some_and(|known| known.pid.is_some());
        if let Some(known) = self.phase.engine_mut() {
            *known = engine;
        }
        if !acknowledged && let Some(pid) = engine.pid {
            self.tell(cx, EventKind::EngineSpawned { pid });
        }
        for file in [FileKind::Pid, FileKind::Handoff] {
            self.tend_file(cx, engine.incarnation, file);
        }
        match self.phase {
            Phase::Starting(_) => {
                let last_chance = cx.now + self.policy.start.probe_timeout + ANSWER_MARGIN;
                let timeout = self.deadlines.of(Due::StartTimeout).unwrap_or(last_chance);
                self.deadlines.arm(Due::StartTimeout, timeout.max(last_chance));
                // It takes its place among those that load, if there is one.
                let _ = self.admission(cx, engine.cause, true);
                self.want_file(cx, engine.incarnation, FileKind::Pid, true);
                self.send_probe(cx);
            }
            Phase::Ready(serving) if serving.trouble == Trouble::Doomed => {
                self.begin_drain(cx, serving, self.policy.liveness.doom_drain);
            }
            Phase::Ready(serving) if self.wanted != Wanted::Up => {
                // The operation that took it out of service was interrupted; what it was for is still wanted.
                self.begin_drain(cx, serving, self.policy.drain.deadline);
            }
            Phase::Ready(_) => self.send_probe(cx),
            Phase::Draining(..) => self.resume_drain(cx),
            Phase::Stopping(Stopping { ladder, .. }) => self.resume_ladder(cx, engine, ladder),
            // A stuck engine is stuck until its exit.
            Phase::Held(_) => {
                cx.books.quarantine.put(self.uid, &self.spec_of(engine.cause).device_mask);
            }
            Phase::Stopped | Phase::Staging(_) | Phase::Waiting(_) | Phase::Ended(_) => {}
        }
    }

    /// A drain goes on under its deadline; one for a shutdown that is over is taken back.
    fn resume_drain(&mut self, cx: &mut Cx<'_>) {
        let Phase::Draining(Serving { trouble, .. }, _) = self.phase else { return };
        if self.operation().is_none() && trouble != Trouble::Doomed && self.wanted == Wanted::Up {
            self.serve_again(cx, DrainOutcome::Undrained);
        } else {
            self.check_emptied(cx);
        }
    }

    /// The last signal may not have been sent: it is sent again, and waited for as before; should that time be over
    /// by now, long enough all the same for an engine that hears it for the first time.
    fn resume_ladder(&mut self, cx: &mut Cx<'_>, engine: Engine, ladder: Ladder) {
        let incarnation = engine.incarnation;
        match ladder {
            Ladder::Unspawned { grace } => {
                self.take_step(cx, Ladder::begin(cx.now, grace, &self.policy.stop));
            }
            Ladder::Termed => {
                let grace = self.policy.stop.grace.min(self.policy.drain.force_grace);
                self.wait_at_least(cx.now + grace, Due::KillGrace);
                self.signal(cx, incarnation, Signal::Graceful);
            }
            Ladder::Killed => {
                self.wait_at_least(cx.now + self.policy.stop.kill_wait, Due::StuckWait);
                self.signal(cx, incarnation, Signal::KillTree);
            }
        }
    }

    fn wait_at_least(&mut self, until: Time, due: Due) {
        if let Some(at) = self.deadlines.of(due) {
            self.deadlines.arm(due, at.max(until));
        }
    }

    fn spawn_never_was(&mut self, cx: &mut Cx<'_>, engine: Engine) {
        if let Phase::Starting(_) = self.phase {
            // It was the supervisor's end, not the engine's: the same start is tried again, uncharged.
            self.deadlines.disarm(Due::StartTimeout);
            if self.wanted != Wanted::Up {
                // Facts show an engine that had just ended as one that was being started.
                return self.rest(cx);
            }
            self.phase = Phase::Stopped;
            self.wait(cx, Gates::default(), engine.cause);
        } else {
            self.spawned(cx, Err(SpawnError::TimedOut));
        }
    }

    fn resume_without_engine(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            // A shutdown stopped it; it is wanted all the same.
            Phase::Stopped if self.wanted == Wanted::Up && self.operation().is_none() => {
                self.begin_start(cx, StartCause::First);
            }
            Phase::Staging(_) => self.ask_stage(cx),
            Phase::Waiting(_) => self.pass_gates(cx),
            Phase::Ended(_) => self.resume_end(cx),
            Phase::Held(Held::Config { look: true } | Held::NotReleased) => {
                self.deadlines.arm(Due::Recheck, cx.now);
            }
            Phase::Held(Held::Quarantine) => self.wait_by_policy(cx),
            Phase::Held(Held::Config { look: false } | Held::Stuck(_))
            | Phase::Stopped
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_) => {}
        }
    }

    /// The engine's end is explained and its files are removed, as far as that was not done.
    fn resume_end(&mut self, cx: &mut Cx<'_>) {
        let Phase::Ended(ended) = &self.phase else { return };
        let (incarnation, unexplained) = (ended.engine.incarnation, ended.report.is_none());
        if unexplained {
            self.ask_evidence(cx, incarnation);
        }
        for file in [FileKind::Pid, FileKind::Handoff] {
            self.tend_file(cx, incarnation, file);
        }
        self.settle(cx);
    }

    fn resume_reload(&mut self, cx: &mut Cx<'_>) {
        let Some(reload) = self.reloading() else { return };
        match reload.progress {
            Progress::Preflight => self.ask_preflight(cx),
            Progress::Fetching | Progress::Checking => self.ask_stage_next(cx),
            Progress::There { .. } => self.advance_reload(cx),
            Progress::Candidate { .. } | Progress::RollingBack { .. } | Progress::SameModel => {}
        }
    }
}
