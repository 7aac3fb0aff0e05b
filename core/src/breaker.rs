//! Circuit breakers: after too many failures in a row nothing is started for a while; then one trial
//! decides.
//!
//! A pool has two, orthogonal to its phase: `cuda` is charged by CUDA errors alone, `general` by every other
//! charged failure; a start under policy needs both. The pool says what happened; each method answers with
//! the changes of state, for observers.
//!
//! An engine that ends cleanly by itself, that was asked to end, or whose host is to blame proves nothing: a
//! trial is unspent by it.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::journal::CircuitFacts;
use crate::spec::RestartPolicy;
use crate::time::Time;
use crate::verdict::CrashClass;

/// Which circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitKind {
    /// Charged by every failure but CUDA errors; opened by restart storms too.
    General,
    /// Charged by CUDA errors.
    Cuda,
}

impl CircuitKind {
    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Cuda => "cuda",
        }
    }

    const fn is_charged_by(self, class: CrashClass) -> bool {
        let cuda = matches!(class, CrashClass::Cuda(_));
        class.is_charged()
            && match self {
                Self::General => !cuda,
                Self::Cuda => cuda,
            }
    }
}

/// What a circuit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// Every start.
    Closed,
    /// No start under policy.
    Open,
    /// One start: the trial.
    HalfOpen,
}

impl CircuitState {
    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// What the state gauge reads: 0 closed, 1 open, 2 half-open.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
        }
    }
}

/// A circuit as readers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitView {
    /// Which.
    pub kind: CircuitKind,
    /// What it lets through.
    pub state: CircuitState,
    /// Failures in a row that it was charged.
    pub failures: u32,
    /// When it becomes half-open, while it is open.
    pub until: Option<Time>,
}

/// A change of state, for observers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CircuitChange {
    pub(crate) circuit: CircuitKind,
    pub(crate) from: CircuitState,
    pub(crate) to: CircuitState,
    pub(crate) failures: u32,
    /// How long it stays open, if it opened.
    pub(crate) open_for: Option<Duration>,
}

/// Both circuits of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Circuits {
    general: Circuit,
    cuda: Circuit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Circuit {
    kind: CircuitKind,
    failures: u32,
    state: State,
    /// How long it was open last; `None`: not since the last stable run, so the next time is a first one.
    open_for: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Closed,
    Open { until: Time },
    HalfOpen,
}

impl Default for Circuits {
    fn default() -> Self {
        Self { general: Circuit::new(CircuitKind::General), cuda: Circuit::new(CircuitKind::Cuda) }
    }
}

impl Circuits {
    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint, policy: &RestartPolicy) {
        for Circuit { kind: _, failures, state, open_for } in [&self.general, &self.cuda] {
            to.add(&(state.name() as u8));
            match state {
                // Never opened by failures where the threshold is 0; opened as for the first time.
                State::Closed => to.add(failures.min(&policy.circuit_failures)),
                State::Open { until } => {
                    to.deadline(*until);
                    to.add(open_for);
                }
                State::HalfOpen => to.add(open_for),
            }
        }
    }

    /// An attempt failed. `tried`: there was a process, so that a half-open circuit had its trial, whatever
    /// class the failure is of.
    pub(crate) fn failed(
        &mut self,
        now: Time,
        class: CrashClass,
        tried: bool,
        policy: &RestartPolicy,
    ) -> Vec<CircuitChange> {
        self.each(|circuit| circuit.failed(now, class, tried, policy))
    }

    /// A storm opens the general circuit, whatever its failures.
    pub(crate) fn storm(&mut self, now: Time, policy: &RestartPolicy) -> Vec<CircuitChange> {
        self.general.open(now, policy.circuit_open).into_iter().collect()
    }

    /// Makes half-open what has been open long enough.
    pub(crate) fn time_passed(&mut self, now: Time) -> Vec<CircuitChange> {
        self.each(|circuit| circuit.time_passed(now))
    }

    /// A trial, or an engine that ran all along, was stable: closes what is not closed.
    pub(crate) fn trial_passed(&mut self) -> Vec<CircuitChange> {
        self.each(Circuit::close)
    }

    /// A long stable run: failures are forgotten, and the next opening is a first one.
    pub(crate) const fn stable(&mut self) {
        self.general.forget_failures();
        self.cuda.forget_failures();
    }

    /// Everything afresh: by an operator, or for another spec.
    pub(crate) fn reset(&mut self) -> Vec<CircuitChange> {
        let changes = self.each(Circuit::close);
        self.stable();
        changes
    }

    /// The open circuit that stays open longest.
    pub(crate) fn open_until(&self) -> Option<(CircuitKind, Time)> {
        let until = |circuit: &Circuit| circuit.until().map(|until| (until, circuit.kind));
        [&self.general, &self.cuda].into_iter().filter_map(until).max().map(|(until, kind)| (kind, until))
    }

    /// When the next open circuit becomes half-open.
    pub(crate) fn next_half_open(&self) -> Option<Time> {
        [&self.general, &self.cuda].into_iter().filter_map(Circuit::until).min()
    }

    pub(crate) fn both_closed(&self) -> bool {
        self.general.state == State::Closed && self.cuda.state == State::Closed
    }

    /// What every later version must still know: general, then cuda.
    pub(crate) fn facts(&self) -> [CircuitFacts; 2] {
        [&self.general, &self.cuda].map(|circuit| CircuitFacts {
            state: Some(circuit.state.name()),
            failures: circuit.failures,
            until_nanos: circuit.until().map(Time::as_nanos),
            open_for_nanos: circuit.open_for.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
        })
    }

    pub(crate) fn recall(general: &CircuitFacts, cuda: &CircuitFacts) -> Self {
        Self {
            general: Circuit::recall(CircuitKind::General, general),
            cuda: Circuit::recall(CircuitKind::Cuda, cuda),
        }
    }

    /// General, then cuda.
    pub(crate) const fn views(&self) -> [CircuitView; 2] {
        [self.general.view(), self.cuda.view()]
    }

    fn each(&mut self, mut act: impl FnMut(&mut Circuit) -> Option<CircuitChange>) -> Vec<CircuitChange> {
        [&mut self.general, &mut self.cuda].into_iter().filter_map(&mut act).collect()
    }
}

impl Circuit {
    const fn new(kind: CircuitKind) -> Self {
        Self { kind, failures: 0, state: State::Closed, open_for: None }
    }

    fn recall(kind: CircuitKind, facts: &CircuitFacts) -> Self {
        let state = match (facts.state, facts.until_nanos) {
            (Some(CircuitState::Open), Some(until)) => State::Open { until: Time::from_nanos(until) },
            (Some(CircuitState::Open), None) | (Some(CircuitState::HalfOpen), _) => State::HalfOpen,
            (Some(CircuitState::Closed) | None, _) => State::Closed,
        };
        let open_for = facts.open_for_nanos.map(Duration::from_nanos);
        Self { kind, failures: facts.failures, state, open_for }
    }

    fn failed(
        &mut self,
        now: Time,
        class: CrashClass,
        tried: bool,
        policy: &RestartPolicy,
    ) -> Option<CircuitChange> {
        let own = self.kind.is_charged_by(class);
        match self.state {
            State::Closed if own => {
                self.failures = self.failures.saturating_add(1);
                let over = policy.circuit_failures > 0 && self.failures >= policy.circuit_failures;
                if over { self.open(now, policy.circuit_open) } else { None }
            }
            State::HalfOpen if own || (tried && class.is_charged()) => {
                self.failures = self.failures.saturating_add(u32::from(own));
                let doubled = self.open_for.unwrap_or(policy.circuit_open).saturating_mul(2);
                self.open(now, doubled.min(policy.circuit_open_cap))
            }
            // What is open stays open as long as it was to be.
            State::Closed | State::Open { .. } | State::HalfOpen => None,
        }
    }

    const fn forget_failures(&mut self) {
        self.failures = 0;
        self.open_for = None;
    }

    fn time_passed(&mut self, now: Time) -> Option<CircuitChange> {
        if self.until().is_none_or(|until| until > now) {
            return None;
        }
        self.change(State::HalfOpen)
    }

    fn open(&mut self, now: Time, open_for: Duration) -> Option<CircuitChange> {
        if self.until().is_some() {
            return None;
        }
        self.open_for = Some(open_for);
        self.change(State::Open { until: now + open_for })
    }

    fn close(&mut self) -> Option<CircuitChange> {
        if self.state == State::Closed {
            return None;
        }
        self.failures = 0;
        self.change(State::Closed)
    }

    fn change(&mut self, to: State) -> Option<CircuitChange> {
        let from = core::mem::replace(&mut self.state, to);
        let opened = matches!(to, State::Open { .. });
        Some(CircuitChange {
            circuit: self.kind,
            from: from.name(),
            to: to.name(),
            failures: self.failures,
            open_for: self.open_for.filter(|_| opened),
        })
    }

    const fn until(&self) -> Option<Time> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::HalfOpen => None,
        }
    }

    const fn view(&self) -> CircuitView {
        CircuitView {
            kind: self.kind,
            state: self.state.name(),
            failures: self.failures,
            until: self.until(),
        }
    }
}

impl State {
    const fn name(self) -> CircuitState {
        match self {
            Self::Closed => CircuitState::Closed,
            Self::Open { .. } => CircuitState::Open,
            Self::HalfOpen => CircuitState::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::all_differ;

    const EXIT: CrashClass = CrashClass::Exit(1);
    const CUDA: CrashClass = CrashClass::Cuda(None);
    const START: Time = Time::from_nanos(1_000_000_000);
    const OPEN: Duration = Duration::from_secs(300);

    fn policy() -> RestartPolicy {
        RestartPolicy::default()
    }

    fn failed_times(times: u32, class: CrashClass) -> Circuits {
        let mut circuits = Circuits::default();
        for _ in 0..times {
            circuits.failed(START, class, true, &policy());
        }
        circuits
    }

    fn states(circuits: &Circuits) -> [CircuitState; 2] {
        circuits.views().map(|view| view.state)
    }

    /// Open since [`START`], then half-open.
    fn half_open() -> (Circuits, Time) {
        let mut circuits = failed_times(5, EXIT);
        let at = START + OPEN;
        assert_eq!(circuits.time_passed(at).len(), 1);
        (circuits, at)
    }

    #[test]
    fn it_opens_at_the_threshold() {
        let mut circuits = failed_times(4, EXIT);
        assert!(circuits.both_closed());
        let changes = circuits.failed(START, EXIT, true, &policy());
        let opened = CircuitChange {
            circuit: CircuitKind::General,
            from: CircuitState::Closed,
            to: CircuitState::Open,
            failures: 5,
            open_for: Some(OPEN),
        };
        assert_eq!(changes, [opened]);
        assert_eq!(circuits.open_until(), Some((CircuitKind::General, START + OPEN)));
    }

    #[test]
    fn half_open_closes_after_a_trial_that_passed() {
        let (mut circuits, _) = half_open();
        assert_eq!(states(&circuits), [CircuitState::HalfOpen, CircuitState::Closed]);
        assert_eq!(circuits.trial_passed().len(), 1);
        assert!(circuits.both_closed());
        assert_eq!(circuits.views()[0].failures, 0);
    }

    #[test]
    fn half_open_opens_twice_as_long_after_a_trial_that_failed_up_to_the_cap() {
        let (mut circuits, mut at) = half_open();
        for expected in [600, 1200, 2400, 3600, 3600] {
            let expected = Duration::from_secs(expected);
            let [change] = circuits.failed(at, EXIT, true, &policy())[..] else { panic!("it opens again") };
            assert_eq!(change.open_for, Some(expected));
            assert_eq!(circuits.time_passed(at + expected - Duration::from_nanos(1)), []);
            at = at + expected;
            assert_eq!(circuits.time_passed(at).len(), 1);
        }
    }

    #[test]
    fn a_stable_run_makes_the_next_opening_a_first_one() {
        let (mut circuits, at) = half_open();
        circuits.failed(at, EXIT, true, &policy());
        circuits.time_passed(Time::NEVER);
        circuits.trial_passed();
        circuits.stable();
        for _ in 0..5 {
            circuits.failed(at, EXIT, true, &policy());
        }
        assert_eq!(circuits.open_until(), Some((CircuitKind::General, at + OPEN)));
    }

    #[test]
    fn an_operator_resets_everything() {
        let mut circuits = failed_times(5, EXIT);
        assert_eq!(circuits.reset().len(), 1);
        assert_eq!(circuits, Circuits::default());
        assert_eq!(circuits.reset(), [], "nothing is left to change");
    }

    #[test]
    fn cuda_errors_open_their_own_circuit_alone() {
        let circuits = failed_times(5, CUDA);
        assert_eq!(states(&circuits), [CircuitState::Closed, CircuitState::Open]);
        assert_eq!(circuits.views()[0].failures, 0);
        assert_eq!(states(&failed_times(5, EXIT)), [CircuitState::Open, CircuitState::Closed]);
    }

    #[test]
    fn a_failure_while_open_changes_nothing() {
        let mut circuits = failed_times(5, EXIT);
        let before = circuits;
        assert_eq!(circuits.failed(START + OPEN / 2, EXIT, true, &policy()), []);
        assert_eq!(circuits, before);
    }

    #[test]
    fn a_trial_fails_by_any_charged_class_but_only_if_there_was_a_process() {
        let (mut circuits, at) = half_open();
        let before = circuits;
        assert_eq!(circuits.failed(at, CrashClass::Clean, true, &policy()), []);
        assert_eq!(circuits.failed(at, CUDA, false, &policy()), []);
        assert_eq!(states(&circuits), states(&before));
        let changes = circuits.failed(at, CUDA, true, &policy());
        assert_eq!(changes.first().map(|change| change.circuit), Some(CircuitKind::General));
    }

    #[test]
    fn a_threshold_of_zero_never_opens_but_a_storm_does() {
        let off = RestartPolicy { circuit_failures: 0, ..policy() };
        let mut circuits = Circuits::default();
        for _ in 0..100 {
            assert_eq!(circuits.failed(START, EXIT, true, &off), []);
        }
        assert_eq!(circuits.storm(START, &off).len(), 1);
        assert_eq!(circuits.storm(START, &off), [], "it is open already");
    }

    #[test]
    fn what_decides_when_it_opens_and_closes_is_in_the_fingerprint() {
        let print = |circuits: &Circuits, now| {
            let mut to = Fingerprint::new(now);
            circuits.write_fingerprint(&mut to, &policy());
            to.finish()
        };
        let (half_open, at) = half_open();
        let opened_twice_as_long = {
            let mut circuits = half_open;
            circuits.failed(at, EXIT, true, &policy());
            circuits
        };
        let all = [
            print(&Circuits::default(), START),
            print(&failed_times(1, EXIT), START),
            print(&failed_times(1, CUDA), START),
            print(&failed_times(2, EXIT), START),
            print(&failed_times(5, EXIT), START),
            print(&failed_times(5, EXIT), at - Duration::from_secs(1)),
            print(&half_open, at),
            print(&opened_twice_as_long, at + OPEN),
        ];
        all_differ(&all);
    }
}
