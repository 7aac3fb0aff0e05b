//! S15: a restart under policy waits as long as the policy says: the base doubles with every failure in a row, the
//! delay stays within a tenth of it and between floor and cap, and only a stable run, an operator or another spec
//! lets it begin again. And nothing is started before its time.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{
    CrashClass, Effect, Event, EventKind, Input, OperationKind, PhaseName, PoolUid, PoolView, RestartPolicy,
    SpecHash, Time, Verb,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Backoff {
    pools: BTreeMap<PoolUid, Book>,
    /// An allowance that was asked for, and not heard of yet.
    asked: Option<PoolUid>,
    /// Time the machine slept, so far: no engine was stable meanwhile.
    slept: Duration,
}

/// Failures in a row of one pool, between two bounds: when a reset happened exactly, and whether a failure was of
/// a start that an operator had allowed, is not ours to know.
#[derive(Debug, Default)]
struct Book {
    at_least: u32,
    at_most: u32,
    allowed: u32,
    /// When the engine became ready, and how long the machine had slept by then.
    ready: Option<(Time, Duration)>,
    /// When it was first seen that it must have been stable.
    stable: Option<Time>,
    spec: Option<SpecHash>,
    /// The next restart is held back longer, by the window.
    held_back: bool,
    /// Nothing is started before.
    due: Option<Time>,
}

impl Oracle for Backoff {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Gap { by } = input {
            self.slept += *by;
        }
        let unheard = self.asked.take();
        if let Input::Command { pool, verb: Verb::AllowRestart, .. } = input {
            self.asked = Some(*pool);
        }
        if let Input::Resume(_) = input {
            // The last crash, or the last reset, may have been in the step in which the supervisor died, and told to
            // nobody; or be forgotten with the tail of its journal. That it is as it was written down is for J06.
            self.pools.retain(|uid, _| before.view.pool(*uid).is_some());
            for pool in before.view.pools() {
                let book = self.pools.entry(pool.uid).or_default();
                if unheard == Some(pool.uid) {
                    book.allowed += 1;
                    book.due = None;
                }
                book.begin_again(&pool);
            }
        }
        Ok(())
    }

    fn history_lost(&mut self) {
        self.pools.values_mut().for_each(|book| book.due = None);
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, .. } = effect else { return Ok(()) };
        let Some(book) = self.pools.get_mut(&engine.pool) else { return Ok(()) };
        let due = book.due.take();
        let pool = observed.view.pool(engine.pool);
        let operation = pool.and_then(|pool| pool.operation).map(|operation| operation.kind);
        let holds = operation == Some(OperationKind::Reload) || due.is_none_or(|due| due <= observed.now);
        hold(holds, "S15: nothing is started before its backoff is over", || {
            format!("{engine} is spawned, its time is {due:?}")
        })
    }

    fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
        let Some(uid) = event.pool else { return Ok(()) };
        let book = self.pools.entry(uid).or_default();
        if let EventKind::EngineReady { .. } = event.kind {
            book.ready = Some((event.at, self.slept));
            book.stable = None;
        }
        if let EventKind::EngineEnded { .. } = event.kind {
            book.forgive(event.at, observed.view.pool(uid).as_ref());
            book.ready = None;
        }
        if let EventKind::Crashed { verdict, .. } = &event.kind
            && verdict.class.is_charged()
        {
            book.at_least += 1;
            book.at_most += 1;
        }
        if let EventKind::Committed { .. } = event.kind {
            let spec = observed.view.pool(uid).map(|pool| pool.spec.hash);
            if spec == book.spec { book.at_least = 0 } else { book.reset() }
        }
        if event.kind == EventKind::BreakerReset {
            book.reset();
        }
        if event.kind == EventKind::RestartAllowed {
            book.allowed += 1;
            book.due = None;
            self.asked = None;
        }
        if let EventKind::PhaseChanged { to: PhaseName::Staging, .. } = event.kind {
            book.due = None;
        }
        if let EventKind::RestartHeldBack { .. } = event.kind {
            book.held_back = true;
        }
        if let EventKind::RestartScheduled { at, delay, base, failures, reason } = event.kind {
            book.due = Some(at);
            let held_back = std::mem::take(&mut book.held_back);
            let Some(pool) = observed.view.pool(uid) else { return Ok(()) };
            if matches!(reason, CrashClass::HostProblem(_)) {
                return Ok(());
            }
            book.counts(failures, &pool)?;
            return fits(&pool, (!held_back).then_some(delay), base, (failures, reason));
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let Some(book) = self.pools.get_mut(&pool.uid) else { return Ok(()) };
        book.spec = Some(pool.spec.hash);
        let serves = matches!(pool.phase, PhaseName::Ready | PhaseName::Draining);
        let (Some((since, slept)), true) = (book.ready, serves) else { return Ok(()) };
        let stable_after = pool.policy.restart.stable_after;
        if stable_after.is_zero() || observed.now <= since + stable_after + (self.slept - slept) {
            return Ok(());
        }
        // Its own instant may not be over, and timers may be late; in a later one it was certainly forgiven.
        let none_is_due = pool.next.is_none_or(|(at, _)| at > observed.now);
        if none_is_due && *book.stable.get_or_insert(observed.now) < observed.now {
            book.reset();
        }
        Ok(())
    }
}

impl Book {
    fn begin_again(&mut self, pool: &PoolView<'_>) {
        let waits = matches!(pool.phase, PhaseName::Held | PhaseName::Waiting);
        *self = Self {
            at_least: pool.failures,
            at_most: pool.failures,
            ready: pool
                .engine
                .and_then(|engine| engine.ready_since)
                .map(|since| (since, self.slept_by(since))),
            // A pool that is held, or whose reload tries a model, does not show what it has yet to wait.
            due: pool.gates.and_then(|gates| gates.backoff_until).or(self.due.filter(|_| waits)),
            allowed: self.allowed,
            stable: None,
            spec: Some(pool.spec.hash),
            held_back: false,
        };
    }

    /// How long the machine had slept when the engine became ready; where that is not known, never.
    fn slept_by(&self, ready: Time) -> Duration {
        self.ready.filter(|(since, _)| *since == ready).map_or(Duration::ZERO, |(_, slept)| slept)
    }

    fn reset(&mut self) {
        (self.at_least, self.at_most) = (0, 0);
        // An engine may run that an operator allowed, and the next start may be allowed as well.
        self.allowed = self.allowed.min(2);
    }

    /// A run that may have been stable may have been forgiven.
    fn forgive(&mut self, now: Time, pool: Option<&PoolView<'_>>) {
        let (Some((since, _)), Some(pool)) = (self.ready, pool) else { return };
        if now >= since + pool.policy.restart.stable_after {
            self.at_least = 0;
            self.ready = None;
        }
    }

    fn counts(&self, failures: u32, pool: &PoolView<'_>) -> Result<(), Violation> {
        let at_least = self.at_least.saturating_sub(self.allowed);
        let holds = (at_least..=self.at_most).contains(&failures);
        hold(holds, "S15: failures in a row are forgiven by a stable run alone", || {
            format!("pool {}: {failures} failures, we count {at_least} to {}", pool.name, self.at_most)
        })
    }
}

/// The formula, by the policy and nothing else.
fn fits(
    pool: &PoolView<'_>,
    delay: Option<Duration>,
    base: Duration,
    (failures, reason): (u32, CrashClass),
) -> Result<(), Violation> {
    let RestartPolicy { backoff_initial, backoff_floor: floor, backoff_cap: cap, cuda_factor, .. } =
        pool.policy.restart;
    let nth = if reason == CrashClass::Clean { 1 } else { failures.max(1) };
    let factor = if matches!(reason, CrashClass::Cuda(_)) { cuda_factor } else { 1 };
    let mut expected = backoff_initial.saturating_mul(factor);
    for _ in 1..nth.min(64) {
        expected = expected.saturating_mul(2);
    }
    let expected = expected.max(floor).min(cap);
    hold(base == expected, "S15: the backoff doubles with every failure", || {
        format!("pool {}: base {base:?} after failure {nth} of {reason:?}, not {expected:?}", pool.name)
    })?;
    let fits = delay.is_none_or(|delay| {
        let least = (base - base / 10).max(floor).min(cap);
        least <= delay && delay <= (base + base / 10).min(cap).max(least)
    });
    hold(fits, "S15: the delay is within a tenth of its base, and between floor and cap", || {
        format!("pool {}: {delay:?}, base {base:?}", pool.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    const SECOND: Duration = Duration::from_secs(1);

    fn crashed_once() -> (Forged, Backoff) {
        let (forged, mut oracle) = (Forged::new(), Backoff::default());
        oracle.event(&forged.crashed(1), forged.observed()).expect("a crash");
        (forged, oracle)
    }

    #[test]
    fn a_first_delay_as_the_policy_says_is_fine() {
        let (forged, mut oracle) = crashed_once();
        assert_eq!(oracle.event(&forged.restart_scheduled(SECOND, 1), forged.observed()), Ok(()));
    }

    #[test]
    fn a_wrong_delay_and_a_forgotten_failure_are_found() {
        let (forged, mut oracle) = crashed_once();
        let short = forged.restart_scheduled(SECOND / 10, 1);
        assert!(oracle.event(&short, forged.observed()).is_err(), "below the floor");
        let forgotten = forged.restart_scheduled(SECOND, 0);
        assert!(oracle.event(&forgotten, forged.observed()).is_err(), "nothing was forgiven");
    }

    #[test]
    fn a_start_before_its_time_is_found() {
        let (mut forged, mut oracle) = crashed_once();
        let scheduled = forged.restart_scheduled(SECOND, 1);
        oracle.event(&scheduled, forged.observed()).expect("as the policy says");
        forged.now = forged.now + SECOND / 2;
        assert!(oracle.effect(&forged.spawn(2), forged.observed()).is_err());
    }
}
