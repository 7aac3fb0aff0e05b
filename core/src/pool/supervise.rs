//! Restarting under policy: what a failed attempt is charged to, which gates the next start waits for, and when
//! a stable run is forgiven.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::answer::{Answer, Refusal};
use crate::backoff;
use crate::breaker::CircuitChange;
use crate::deadline::Due;
use crate::errand::Errand;
use crate::event::EventKind;
use crate::gate::{Gates, ReleaseGate};
use crate::id::CommandId;
use crate::input::{SpawnError, StageError};
use crate::limiter::Admission;
use crate::phase::{DownBy, Ended, Held, Phase, StartCause, Waiting, Wanted};
use crate::pool::{Cx, Pool};
use crate::spec::RestartMode;
use crate::time::Time;
use crate::verdict::{CrashClass, Evidence, HostProblem, LastError, Verdict};
use crate::window::Storm;

impl Pool {
    /// Says that an attempt failed, remembers it, and charges it to whom it may concern.
    pub(super) fn record(
        &mut self,
        cx: &mut Cx<'_>,
        verdict: &Verdict,
        ended: Option<&Ended>,
        cause: Option<StartCause>,
    ) {
        let class = verdict.class;
        if matches!(class, CrashClass::Asked | CrashClass::Clean) {
            return;
        }
        let incarnation = self.phase.subject().map(|engine| engine.incarnation);
        let at = ended.map_or(cx.now, |ended| ended.at);
        self.supervision.last_error = Some(LastError { verdict: verdict.clone(), incarnation, at });
        self.supervision.crashes_total += u64::from(class.is_charged());
        let uptime = ended.map_or(Duration::ZERO, |ended| at.since(ended.engine.spawned));
        let crashes_total = self.supervision.crashes_total;
        self.tell(cx, EventKind::Crashed { verdict: Box::new(verdict.clone()), uptime, crashes_total });
        if class.is_charged() && cause != Some(StartCause::Allowed) {
            self.supervision.failures = self.supervision.failures.saturating_add(1);
            let policy = &self.policy.restart;
            let changes = self.supervision.circuits.failed(cx.now, class, ended.is_some(), policy);
            self.circuits_changed(cx, changes);
        }
        if matches!(class, CrashClass::OutOfMemory(_)) {
            let policy = &self.policy.restart;
            let (storm, within) = (self.supervision.ooms.record(cx.now, policy), policy.oom_storm_within);
            if let Some(count) = storm {
                let storms_total = self.supervision.ooms.storms();
                self.tell(
                    cx,
                    EventKind::StormBegan { storm: Storm::OutOfMemory, count, within, storms_total },
                );
            }
        }
    }

    /// The host is to blame: shown, but charged to nobody. A reload's candidate leaves no trace of its own.
    pub(super) fn blame_host(
        &mut self,
        cx: &mut Cx<'_>,
        cause: StartCause,
        class: CrashClass,
        evidence: Option<Evidence>,
    ) {
        if cause != StartCause::Candidate {
            let verdict = Verdict { class, evidence: evidence.into_iter().collect() };
            self.record(cx, &verdict, None, Some(cause));
        }
    }

    /// What follows an end, when no operation says otherwise.
    pub(super) fn next_by_policy(&mut self, cx: &mut Cx<'_>, class: CrashClass, ended_at: Time) {
        if cx.closing || self.wanted != Wanted::Up {
            return self.rest(cx);
        }
        let mode = self.policy.restart.mode;
        match class {
            CrashClass::Config => self.hold(cx, Held::Config { look: false }),
            CrashClass::StageFailed(StageError::Missing)
            | CrashClass::SpawnFailed(SpawnError::NotFound | SpawnError::Denied) => {
                self.hold(cx, Held::Config { look: true });
            }
            CrashClass::HostProblem(
                HostProblem::DriverMismatch
                | HostProblem::NoDevice
                | HostProblem::NotReleased
                | HostProblem::PortStranger
                | HostProblem::Quarantined,
            ) => {
                let delay = self.policy.restart.host_recheck;
                self.schedule(cx, class, ended_at, (delay, delay));
            }
            CrashClass::Clean if mode != RestartMode::Always => {
                self.wanted = Wanted::Down(DownBy::CleanExit);
                self.rest(cx);
            }
            // Somebody wanted it down and changed their mind: nothing was its fault.
            CrashClass::Asked => {
                // The spawn that was to be stopped may just have failed: its engine is still in the phase.
                self.phase = Phase::Stopped;
                self.begin_start(cx, StartCause::Asked);
            }
            CrashClass::Clean
            | CrashClass::Cuda(_)
            | CrashClass::Exit(_)
            | CrashClass::OutOfMemory(_)
            | CrashClass::Signal(_)
            | CrashClass::SpawnFailed(SpawnError::Io(_) | SpawnError::NoResources | SpawnError::TimedOut)
            | CrashClass::StageFailed(
                StageError::BadDigest
                | StageError::BadSize
                | StageError::Fetch(_)
                | StageError::Io(_)
                | StageError::NoSpace
                | StageError::Stalled,
            )
            | CrashClass::StartTimeout
            | CrashClass::Unhealthy
            | CrashClass::Unknown => match mode {
                RestartMode::Never => {
                    self.wanted = Wanted::Down(DownBy::RestartMode);
                    self.rest(cx);
                }
                RestartMode::Always | RestartMode::OnFailure => {
                    let delay = self.backoff(cx, class);
                    self.schedule(cx, class, ended_at, delay);
                }
            },
        }
    }

    /// Passes every gate whose time has come. The limiter is asked when the others are open, the release last,
    /// so that its answer is fresh when the process is made.
    pub(crate) fn pass_gates(&mut self, cx: &mut Cx<'_>) {
        self.look_at_circuits(cx);
        let Phase::Waiting(Waiting { gates, cause }) = self.phase else { return };
        if self.errands.is_open(Errand::Release) {
            return;
        }
        let gates = self.policy_gates(cx, gates, cause);
        self.phase = Phase::Waiting(Waiting { gates, cause });
        if let Some(until) = gates.timed(cx.now) {
            self.deadlines.arm(Due::GateOpens, until);
            if gates.circuit_until.is_some() {
                // An operation that meets an open circuit hears so at once.
                self.fail_start_operation(cx);
            }
            return;
        }
        if cx.books.quarantine.holds_any(self.uid, &self.spec_of(cause).device_mask) {
            return self.quarantined(cx, cause);
        }
        let again = gates.release != ReleaseGate::Unasked;
        if let Admission::Wait { until } = self.admission(cx, cause, again) {
            let gates = Gates { limiter_until: Some(until), ..gates };
            self.phase = Phase::Waiting(Waiting { gates, cause });
            return self.deadlines.arm(Due::GateOpens, until);
        }
        let release = match gates.release {
            ReleaseGate::Unasked => ReleaseGate::Asked { since: cx.now },
            ReleaseGate::Asked { .. }
            | ReleaseGate::Held { .. }
            | ReleaseGate::HostProblem { .. }
            | ReleaseGate::PortStranger { .. } => gates.release,
        };
        self.phase = Phase::Waiting(Waiting { gates: Gates { release, ..gates }, cause });
        self.deadlines.disarm(Due::GateOpens);
        self.ask_release(cx, cause);
    }

    /// Devices came free for which this pool may be held.
    pub(crate) fn quarantine_healed(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.phase, Phase::Held(Held::Quarantine)) {
            self.wait_by_policy(cx);
        }
    }

    /// The next start is one under policy: it waits for its gates, also after a hold that came between.
    pub(super) fn wait_by_policy(&mut self, cx: &mut Cx<'_>) {
        let Waiting { gates, cause } = self.by_policy();
        self.wait(cx, gates, cause);
    }

    /// A start under policy: it waits for its backoff, whatever was tried meanwhile, or passes it where an operator
    /// allowed it to.
    pub(super) fn by_policy(&mut self) -> Waiting {
        let is_allowed = core::mem::take(&mut self.supervision.allowed);
        if is_allowed {
            self.supervision.backoff_until = None;
        }
        let gates = Gates { backoff_until: self.supervision.backoff_until, ..Gates::default() };
        Waiting { gates, cause: if is_allowed { StartCause::Allowed } else { StartCause::Automatic } }
    }

    /// What an operator allowed did not come about, for the host's sake: it is allowed yet.
    pub(super) fn keep_allowance(&mut self, cause: StartCause) {
        self.supervision.allowed |= cause == StartCause::Allowed;
    }

    /// Nothing is started on a device that an engine of another pool still holds.
    pub(super) fn quarantined(&mut self, cx: &mut Cx<'_>, cause: StartCause) {
        self.keep_allowance(cause);
        let class = CrashClass::HostProblem(HostProblem::Quarantined);
        self.blame_host(cx, cause, class, None);
        self.fail_replacement(cx, class, None);
        self.hold(cx, Held::Quarantine);
    }

    /// Counts a start at its spawn instant.
    pub(super) fn count_start(&mut self, cx: &mut Cx<'_>, cause: StartCause) {
        self.supervision.backoff_until = None;
        match cause {
            StartCause::Asked | StartCause::Candidate | StartCause::First | StartCause::Rollback => {}
            StartCause::Allowed => self.supervision.restart_count += 1,
            StartCause::Automatic => {
                self.supervision.restart_count += 1;
                self.slide_window(cx);
            }
        }
    }

    /// An operator lets the next automatic start pass backoff, window and circuits: the one that waits, or the
    /// one after the next end, or after the hold.
    pub(super) fn allow_restart(&mut self, cx: &mut Cx<'_>, command: CommandId) {
        if self.wanted != Wanted::Up {
            return cx.reply(command, Answer::Refused(Refusal::NotWanted));
        }
        cx.reply(command, Answer::Done);
        self.tell(cx, EventKind::RestartAllowed);
        match &mut self.phase {
            Phase::Waiting(waiting) if waiting.cause.heeds_circuits() => {
                waiting.cause = StartCause::Allowed;
                waiting.gates = Gates { release: waiting.gates.release, ..Gates::default() };
                // An allowance that an earlier end did not use is this one.
                (self.supervision.allowed, self.supervision.backoff_until) = (false, None);
                self.pass_gates(cx);
            }
            // It was allowed before, and has not come yet: one restart, not two.
            Phase::Waiting(waiting) if waiting.cause == StartCause::Allowed => {}
            Phase::Waiting(_)
            | Phase::Stopped
            | Phase::Staging(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => self.supervision.allowed = true,
        }
    }

    /// Closes both circuits and forgets the failures; the window stays.
    pub(super) fn reset_breaker(&mut self, cx: &mut Cx<'_>, command: CommandId) {
        cx.reply(command, Answer::Done);
        self.tell(cx, EventKind::BreakerReset);
        self.start_afresh(cx);
        self.pass_gates(cx);
    }

    /// No failure counts any more, and both circuits are closed.
    pub(super) fn start_afresh(&mut self, cx: &mut Cx<'_>) {
        self.supervision.failures = 0;
        let changes = self.supervision.circuits.reset();
        self.circuits_changed(cx, changes);
    }

    pub(super) fn circuit_time_passed(&mut self, cx: &mut Cx<'_>) {
        self.look_at_circuits(cx);
        self.pass_gates(cx);
    }

    /// A trial, or an engine that ran while a circuit was open, was stable.
    pub(super) fn trial_over(&mut self, cx: &mut Cx<'_>) {
        if let Some(engine) = self.phase.engine_mut()
            && engine.cause == StartCause::Allowed
        {
            // From now on it is an engine like any other.
            engine.cause = StartCause::Automatic;
        }
        let changes = self.supervision.circuits.trial_passed();
        self.circuits_changed(cx, changes);
    }

    pub(super) const fn stable(&mut self) {
        self.supervision.failures = 0;
        self.supervision.circuits.stable();
        self.supervision.allowed = false;
    }

    pub(super) fn long_stable(&mut self) {
        self.supervision.restart_count = 0;
        self.supervision.window.clear();
    }

    /// Whether a circuit is open, and until when.
    pub(super) fn open_circuit(&self) -> Option<Time> {
        self.supervision.circuits.open_until().map(|(_, until)| until)
    }

    /// A start under policy; the delay, with jitter and without, counts from the observed end.
    fn schedule(
        &mut self,
        cx: &mut Cx<'_>,
        reason: CrashClass,
        ended_at: Time,
        (delay, base): (Duration, Duration),
    ) {
        if self.supervision.allowed {
            return self.wait_by_policy(cx);
        }
        let at = ended_at + delay;
        let failures = self.supervision.failures;
        let policy = &self.policy.restart;
        let room_at = self.supervision.window.room_at(cx.now, policy).filter(|room| *room > at);
        if let Some((circuit, until)) = self.supervision.circuits.open_until() {
            self.tell(cx, EventKind::RestartPrevented { class: reason, circuit, until });
        } else if let Some(until) = room_at {
            let (restarts, window) = (self.supervision.window.count(cx.now, policy), policy.window);
            self.tell(cx, EventKind::RestartHeldBack { restarts, window, until });
            let delay = until.since(ended_at);
            self.tell(cx, EventKind::RestartScheduled { at: until, delay, base, failures, reason });
        } else {
            self.tell(cx, EventKind::RestartScheduled { at, delay, base, failures, reason });
        }
        self.supervision.backoff_until = Some(at);
        self.wait_by_policy(cx);
    }

    fn backoff(&self, cx: &Cx<'_>, class: CrashClass) -> (Duration, Duration) {
        let key = backoff::Key { seed: cx.seed, pool: self.uid, incarnation: self.last_incarnation };
        // A clean end waits the first step, whatever failed before it.
        let failures = if class == CrashClass::Clean { 1 } else { self.supervision.failures.max(1) };
        let policy = &self.policy.restart;
        (backoff::delay(policy, failures, class, key), backoff::base(policy, failures, class))
    }

    /// The gates as they stand now: the window slides and circuits change while a pool waits.
    fn policy_gates(&self, cx: &Cx<'_>, gates: Gates, cause: StartCause) -> Gates {
        let circuit_until = self.open_circuit().filter(|_| cause.heeds_circuits());
        let window_until = match cause {
            StartCause::Automatic => self.supervision.window.room_at(cx.now, &self.policy.restart),
            StartCause::Allowed
            | StartCause::Asked
            | StartCause::Candidate
            | StartCause::First
            | StartCause::Rollback => None,
        };
        Gates { window_until, circuit_until, limiter_until: None, ..gates }
    }

    /// `again`: this very start was admitted before.
    pub(super) fn admission(&self, cx: &mut Cx<'_>, cause: StartCause, again: bool) -> Admission {
        // How fast another spec loads is not known.
        let known = self.load_time.filter(|_| cause != StartCause::Candidate);
        let is_quick = known.is_some_and(|load| cx.books.limiter.exempts(load));
        if is_quick || !self.policy.start.limited {
            return Admission::Go;
        }
        cx.books.limiter.admit(self.uid, cause.rank(), again, (cx.pools, cx.now))
    }

    fn slide_window(&mut self, cx: &mut Cx<'_>) {
        let policy = &self.policy.restart;
        let (window, within) = (policy.window, policy.storm_within);
        let restarted = self.supervision.window.record(cx.now, policy);
        let restarts = restarted.restarts;
        if restarted.is_frequent {
            self.tell(cx, EventKind::RestartsFrequent { restarts, window });
        }
        if let Some(count) = restarted.storm {
            let storms_total = self.supervision.window.storms();
            self.tell(cx, EventKind::StormBegan { storm: Storm::Restarts, count, within, storms_total });
            let changes = self.supervision.circuits.storm(cx.now, &self.policy.restart);
            self.circuits_changed(cx, changes);
        }
    }

    fn look_at_circuits(&mut self, cx: &mut Cx<'_>) {
        let changes = self.supervision.circuits.time_passed(cx.now);
        self.circuits_changed(cx, changes);
    }

    fn circuits_changed(&mut self, cx: &mut Cx<'_>, changes: Vec<CircuitChange>) {
        for CircuitChange { circuit, from, to, failures, open_for } in changes {
            self.tell(cx, EventKind::CircuitChanged { circuit, from, to, failures, open_for });
        }
        let next = self.supervision.circuits.next_half_open().unwrap_or(Time::NEVER);
        self.deadlines.arm(Due::CircuitHalfOpen, next);
    }
}
