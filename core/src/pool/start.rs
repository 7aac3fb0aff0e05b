//! From Stopped to Ready: staging, gates, spawn, PID file, readiness.

use core::time::Duration;

use crate::deadline::Due;
use crate::effect::Signal;
use crate::effect::{Effect, FileKind};
use crate::errand::Errand;
use crate::event::EventKind;
use crate::gate::{Gates, ReleaseGate};
use crate::id::Incarnation;
use crate::input::{Completion, ModelStamp, ProbeAnswer, ReleaseAnswer, SpawnError, Spawned, StageError};
use crate::ladder::Ladder;
use crate::liveness::Liveness;
use crate::operation::Outcome;
use crate::phase::{Engine, Held, Phase, Serving, StartCause, Stopping, Trouble, Waiting, Wanted};
use crate::pool::{Cx, Pool, RELEASE_POLL, RELEASE_WITHIN, SPAWN_WITHIN};
use crate::signs::Signs;
use crate::time::Time;
use crate::verdict::{CrashClass, Evidence, HostProblem, StopCause, Verdict};

impl Pool {
    /// Begins a start, unless nothing is wanted or the supervisor goes down.
    pub(super) fn begin_start(&mut self, cx: &mut Cx<'_>, cause: StartCause) {
        debug_assert!(self.phase.engine().is_none(), "S09: two live processes in one pool");
        if cx.closing || self.wanted != Wanted::Up {
            return self.rest(cx);
        }
        self.deadlines.disarm(Due::Recheck);
        self.drop_errand(Errand::Release);
        self.drop_stage(cx, Errand::Stage);
        // What is asked for does not wait for what an earlier end put off.
        self.supervision.backoff_until = None;
        self.ask_stage(cx);
        self.enter(cx, Phase::Staging(cause));
    }

    /// The model is there, or is not.
    pub(super) fn staged(&mut self, cx: &mut Cx<'_>, result: Result<ModelStamp, StageError>) {
        self.stamp = result.ok().or(self.stamp);
        match (self.take_phase(), result) {
            (Phase::Staging(cause), Ok(_)) => {
                let took = cx.now.since(self.shown.1);
                self.tell(cx, EventKind::ModelStaged { took });
                self.wait(cx, Gates::default(), cause);
            }
            (Phase::Staging(_), Err(error)) => {
                self.start_failed(cx, CrashClass::StageFailed(error), Evidence::Stage(error));
            }
            (Phase::Held(Held::Config { .. }), Ok(_)) => {
                self.wait_by_policy(cx);
            }
            (phase @ Phase::Held(Held::Config { .. }), Err(_)) => {
                self.phase = phase;
                self.deadlines.arm(Due::Recheck, cx.now + self.policy.restart.config_recheck);
            }
            (other, _) => {
                self.phase = other;
                debug_assert!(false, "E04: staging was answered in phase {:?}", self.phase.name());
            }
        }
    }

    /// Waits for the gates; goes on at once when all are open.
    pub(super) fn wait(&mut self, cx: &mut Cx<'_>, gates: Gates, cause: StartCause) {
        self.enter(cx, Phase::Waiting(Waiting { gates, cause }));
        self.pass_gates(cx);
    }

    /// Ports and devices are free, or are not.
    pub(super) fn released(&mut self, cx: &mut Cx<'_>, answer: ReleaseAnswer) {
        match (self.take_phase(), answer) {
            (Phase::Waiting(waiting), ReleaseAnswer::Free) => self.found_free(cx, waiting),
            (Phase::Waiting(waiting), ReleaseAnswer::Held) => self.release_held(cx, waiting),
            (Phase::Waiting(waiting), ReleaseAnswer::NoDevice) => {
                self.host_unfit(cx, waiting, HostProblem::NoDevice);
            }
            (Phase::Waiting(waiting), ReleaseAnswer::DriverMismatch) => {
                self.host_unfit(cx, waiting, HostProblem::DriverMismatch);
            }
            (Phase::Waiting(waiting), ReleaseAnswer::PortStranger { port, pid }) => {
                self.port_taken(cx, waiting, port, pid);
            }
            (Phase::Held(Held::NotReleased), ReleaseAnswer::Free) => {
                self.wait_by_policy(cx);
            }
            (
                phase @ Phase::Held(Held::NotReleased),
                ReleaseAnswer::Held
                | ReleaseAnswer::NoDevice
                | ReleaseAnswer::DriverMismatch
                | ReleaseAnswer::PortStranger { .. },
            ) => {
                self.phase = phase;
                self.deadlines.arm(Due::Recheck, cx.now + self.policy.restart.host_recheck);
            }
            (other, _) => {
                self.phase = other;
                debug_assert!(false, "E05: a release was answered in phase {:?}", self.phase.name());
            }
        }
    }

    /// The process exists, or could not be made.
    pub(super) fn spawned(&mut self, cx: &mut Cx<'_>, result: Result<Spawned, SpawnError>) {
        match (&self.phase, result) {
            (&Phase::Starting(engine), Ok(Spawned { pid })) => {
                self.phase = Phase::Starting(Engine { pid: Some(pid), ..engine });
                self.tell(cx, EventKind::EngineSpawned { pid });
                self.want_file(cx, engine.incarnation, FileKind::Pid, true);
            }
            (&Phase::Stopping(Stopping { engine, cause, ladder }), Ok(Spawned { pid })) => {
                // A stop came first; it was remembered and is carried out now.
                let engine = Engine { pid: Some(pid), ..engine };
                self.phase = Phase::Stopping(Stopping { engine, cause, ladder });
                self.tell(cx, EventKind::EngineSpawned { pid });
                let grace = match ladder {
                    Ladder::Unspawned { grace } => grace,
                    Ladder::Termed | Ladder::Killed => Duration::ZERO,
                };
                self.take_step(cx, Ladder::begin(cx.now, grace, &self.policy.stop));
            }
            (Phase::Stopping(Stopping { cause: StopCause::Asked, .. }), Err(error)) => {
                let evidence = [Evidence::OwnSignal(StopCause::Asked), Evidence::Spawn(error)].into();
                self.conclude(cx, Verdict { class: CrashClass::Asked, evidence }, None);
            }
            // Given up for our own reasons, not for an operation's: the start failed all the same.
            (Phase::Starting(_) | Phase::Stopping(_), Err(error)) => {
                self.start_failed(cx, CrashClass::SpawnFailed(error), Evidence::Spawn(error));
            }
            (
                Phase::Stopped
                | Phase::Staging(_)
                | Phase::Waiting(_)
                | Phase::Ready(_)
                | Phase::Draining(..)
                | Phase::Ended(_)
                | Phase::Held(_),
                _,
            ) => debug_assert!(false, "E06: a spawn was answered in phase {:?}", self.phase.name()),
        }
    }

    /// A spawn that was given up succeeded after all.
    pub(super) fn stop_late_spawn(&self, cx: &mut Cx<'_>, incarnation: Incarnation, result: &Completion) {
        self.tell_of(cx, Some(incarnation), EventKind::StaleInput);
        if matches!(result, Completion::Spawned(Ok(_))) {
            self.signal(cx, incarnation, Signal::KillTree);
        }
    }

    pub(super) fn readiness_answered(&mut self, cx: &mut Cx<'_>, engine: Engine, answer: ProbeAnswer) {
        match answer {
            ProbeAnswer::Healthy => return self.become_ready(cx, engine),
            ProbeAnswer::Stranger => {
                let port = self.spec.port.unwrap_or_default();
                self.tell(cx, EventKind::PortStranger { port, pid: None });
                let grace = self.policy.stop.grace;
                return self.stop_engine(cx, engine, StopCause::PortStranger, grace);
            }
            ProbeAnswer::Loading
            | ProbeAnswer::Refused
            | ProbeAnswer::TimedOut
            | ProbeAnswer::Unhealthy { .. } => {}
        }
        if self.deadlines.of(Due::ProbeSend).is_none() {
            self.send_probe(cx);
        }
    }

    pub(super) fn start_timed_out(&mut self, cx: &mut Cx<'_>) {
        let Phase::Starting(engine) = self.phase else { return };
        self.stop_engine(cx, engine, StopCause::StartTimeout, self.policy.stop.grace);
    }

    /// A hold is looked at: has its cause gone?
    pub(super) fn look_again(&mut self, cx: &mut Cx<'_>) {
        match &self.phase {
            Phase::Held(Held::Config { look: true }) => self.ask_stage(cx),
            Phase::Held(Held::NotReleased) => self.ask_release(cx, StartCause::Automatic),
            Phase::Held(Held::Config { look: false } | Held::Quarantine | Held::Stuck(_))
            | Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_) => {}
        }
    }

    /// Arms what is due when a ready engine has been stable, and the first liveness probe.
    pub(super) fn watch_ready(&mut self, since: Time, cause: StartCause) {
        let restart = &self.policy.restart;
        let resets = [
            (Due::Stable, restart.stable_after),
            (Due::RestartCountReset, restart.restart_count_reset_after),
        ];
        for (due, after) in resets {
            if !after.is_zero() {
                self.deadlines.arm(due, since + after);
            }
        }
        if cause == StartCause::Allowed || !self.supervision.circuits.both_closed() {
            self.deadlines.arm(Due::TrialOver, since + self.policy.restart.trial_stable);
        }
        if !self.policy.liveness.interval.is_zero() {
            self.deadlines.arm(Due::ProbeSend, since + self.policy.liveness.interval);
        }
    }

    fn become_ready(&mut self, cx: &mut Cx<'_>, engine: Engine) {
        let commits = engine.cause == StartCause::Candidate;
        // From its commit on it is the pool's engine like any other: its crash is one.
        let cause = if commits { StartCause::Asked } else { engine.cause };
        let engine = Engine { ready_since: Some(cx.now), cause, ..engine };
        let took = cx.now.since(engine.spawned);
        self.load_time = Some(took);
        self.heartbeat = Some(cx.now);
        self.deadlines.disarm(Due::StartTimeout);
        let liveness = Liveness::begin(cx.now, self.leases.progress());
        if commits {
            // Before anyone sees it ready: what is shown and handed off is the spec that serves.
            self.commit(cx);
        }
        self.enter(cx, Phase::Ready(Serving { engine, liveness, trouble: Trouble::None }));
        self.tell(cx, EventKind::EngineReady { took });
        self.watch_ready(cx.now, engine.cause);
        self.want_file(cx, engine.incarnation, FileKind::Handoff, true);
        if commits || self.awaits_ready() {
            return self.end_operation(cx, Outcome::Completed);
        }
        self.rolled_back(cx, engine.cause);
        self.advance_reload(cx);
    }

    fn spawn(&mut self, cx: &mut Cx<'_>, cause: StartCause) {
        self.count_start(cx, cause);
        let begun = if self.last_incarnation.epoch == cx.epoch { self.last_incarnation.n } else { 0 };
        let incarnation = Incarnation { epoch: cx.epoch, n: begun + 1 };
        self.last_incarnation = incarnation;
        let (spawned, signs) = (cx.now, Signs::default());
        let engine = Engine { incarnation, pid: None, spawned, ready_since: None, cause, signs };
        self.deadlines.arm(Due::StartTimeout, cx.now + self.policy.start.timeout);
        self.enter(cx, Phase::Starting(engine));
        let id = self.run_errand(cx, Errand::Spawn, SPAWN_WITHIN);
        let engine = self.engine_ref(incarnation);
        let spec = self.spec_for(cause);
        cx.outbox.effects.push_back(Effect::Spawn { id, engine, spec });
    }

    /// Free, as the check found it; an engine of another pool may have turned out to be stuck meanwhile.
    fn found_free(&mut self, cx: &mut Cx<'_>, waiting: Waiting) {
        let cause = waiting.cause;
        if cx.books.quarantine.holds_any(self.uid, &self.spec_of(cause).device_mask) {
            self.phase = Phase::Waiting(waiting);
            return self.quarantined(cx, cause);
        }
        self.spawn(cx, cause);
    }

    pub(super) fn ask_stage(&mut self, cx: &mut Cx<'_>) {
        let id = self.run_errand(cx, Errand::Stage, self.policy.start.stage_stall);
        cx.outbox.effects.push_back(Effect::Stage { id, pool: self.uid, spec: self.spec.hash });
    }

    pub(super) fn ask_release(&mut self, cx: &mut Cx<'_>, cause: StartCause) {
        let id = self.run_errand(cx, Errand::Release, RELEASE_WITHIN);
        cx.outbox.effects.push_back(Effect::CheckRelease { id, spec: self.spec_for(cause) });
    }

    fn release_held(&mut self, cx: &mut Cx<'_>, waiting: Waiting) {
        let since = match waiting.gates.release {
            // The first answer may itself have taken long.
            ReleaseGate::Asked { since } | ReleaseGate::Held { since } => since,
            // What was in the way until now was not ours.
            ReleaseGate::Unasked | ReleaseGate::PortStranger { .. } | ReleaseGate::HostProblem { .. } => {
                cx.now
            }
        };
        if cx.now.since(since) >= RELEASE_WITHIN {
            let class = CrashClass::HostProblem(HostProblem::NotReleased);
            self.blame_host(cx, waiting.cause, class, None);
            self.fail_replacement(cx, class, None);
            self.keep_allowance(waiting.cause);
            return self.hold(cx, Held::NotReleased);
        }
        self.deadlines.arm(Due::GateOpens, cx.now + RELEASE_POLL);
        let gates = Gates { release: ReleaseGate::Held { since }, ..waiting.gates };
        self.phase = Phase::Waiting(Waiting { gates, ..waiting });
    }

    fn port_taken(&mut self, cx: &mut Cx<'_>, waiting: Waiting, port: u16, pid: Option<u32>) {
        let recheck = cx.now + self.policy.restart.host_recheck;
        self.deadlines.arm(Due::GateOpens, recheck);
        let known =
            matches!(waiting.gates.release, ReleaseGate::PortStranger { pid: seen, .. } if seen == pid);
        let release = ReleaseGate::PortStranger { port, pid, recheck };
        let class = CrashClass::HostProblem(HostProblem::PortStranger);
        let evidence = Some(Evidence::PortStranger(port));
        if !known {
            // Said once for each stranger, not at every look.
            self.tell(cx, EventKind::PortStranger { port, pid });
            self.blame_host(cx, waiting.cause, class, evidence);
        }
        self.wait_for_host(cx, waiting, release, (class, evidence));
    }

    /// A device is missing, or the driver cannot be used.
    fn host_unfit(&mut self, cx: &mut Cx<'_>, waiting: Waiting, problem: HostProblem) {
        let recheck = cx.now + self.policy.restart.host_recheck;
        self.deadlines.arm(Due::GateOpens, recheck);
        let class = CrashClass::HostProblem(problem);
        let known = matches!(waiting.gates.release, ReleaseGate::HostProblem { problem: seen, .. } if seen == problem);
        if !known {
            self.blame_host(cx, waiting.cause, class, None);
        }
        self.wait_for_host(cx, waiting, ReleaseGate::HostProblem { problem, recheck }, (class, None));
    }

    /// The caller of a start hears why at once; the pool goes on looking, with the committed spec.
    fn wait_for_host(
        &mut self,
        cx: &mut Cx<'_>,
        waiting: Waiting,
        release: ReleaseGate,
        (class, evidence): (CrashClass, Option<Evidence>),
    ) {
        let waiting = match waiting.cause {
            StartCause::Candidate | StartCause::Rollback => self.by_policy(),
            StartCause::Allowed | StartCause::Asked | StartCause::Automatic | StartCause::First => waiting,
        };
        let gates = Gates { release, ..waiting.gates };
        self.phase = Phase::Waiting(Waiting { gates, ..waiting });
        self.fail_replacement(cx, class, evidence);
        if self.wanted != Wanted::Up {
            // It was down before its reload failed, and is down again.
            return self.rest(cx);
        }
        self.fail_start_operation(cx);
    }
}
