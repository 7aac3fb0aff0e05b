//! S22: no more engines load at once than the host's limiter says, and no more automatic restarts of all pools come
//! within its span.
//!
//! Counted are loads that the limiter certainly saw: a reload's candidate of a pool that is known to load quickly is
//! not. Engines that loaded when the supervisor was started again are not either: they load already, whatever
//! has been admitted before them in that very step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pool_manager_core::{
    Effect, Event, EventKind, Input, PhaseName, PoolUid, PoolView, ReleaseGate, Time, Verb,
};

use super::starts::{Starts, is_scheduled};
use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct LoadsAtOnce {
    starts: Starts,
    /// Pools whose next load is limited, as of their last release check.
    limited: BTreeSet<PoolUid>,
    /// Pools whose start was admitted and has not come yet.
    admitted: BTreeSet<PoolUid>,
    /// Those of them whose start was admitted in this step, and whether it was counted. Events are shown after
    /// effects: a restart without a delay is said to be scheduled when its release has been asked already.
    admitted_now: BTreeMap<PoolUid, bool>,
    loading: BTreeSet<PoolUid>,
    adopted: BTreeSet<PoolUid>,
    restarts: VecDeque<Time>,
    /// Registered, as far as we were told.
    pools: BTreeSet<PoolUid>,
}

impl Oracle for LoadsAtOnce {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        self.admitted_now.clear();
        if let Input::Command { pool, verb: Verb::AllowRestart, .. } = input {
            // Allowed from this step on, and its release may be asked in it.
            self.starts.begun(*pool);
        }
        if let Input::Resume(_) = input {
            self.starts.resumed(before.view);
            self.loading.clear();
            // What was admitted in the step in which the supervisor died was shown to nobody, and what was in the lost
            // tail of a journal is not known any more.
            self.restarts = before.view.limiter_restarts().collect();
            self.pools = before.view.pools().map(|pool| pool.uid).collect();
            self.admitted = before.view.pools().filter(has_asked).map(|pool| pool.uid).collect();
            let starting = before.view.pools().filter(|pool| pool.phase == PhaseName::Starting);
            self.adopted = starting.map(|pool| pool.uid).collect();
        }
        Ok(())
    }

    fn history_lost(&mut self) {
        self.starts.forget();
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::Spawn { engine, .. } = effect {
            self.starts.begun(engine.pool);
            self.admitted.remove(&engine.pool);
            self.adopted.remove(&engine.pool);
        }
        let Effect::CheckRelease { id, .. } = effect else { return Ok(()) };
        let Some(pool) = observed.view.pool(id.pool) else { return Ok(()) };
        let known_quick = pool.load_time.is_some_and(|load| load < observed.config.limiter.exempt_below);
        if pool.phase != PhaseName::Waiting || known_quick || !pool.policy.start.limited {
            self.limited.remove(&pool.uid);
            return Ok(());
        }
        self.limited.insert(pool.uid);
        // A start is counted when it is admitted first, for whatever reason it was begun.
        if self.admitted.insert(pool.uid) {
            let is_automatic = self.starts.is_automatic(&pool);
            self.admitted_now.insert(pool.uid, is_automatic);
            if is_automatic {
                return self.one_more_restart(observed);
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
        self.starts.event(event);
        let Some(pool) = event.pool else { return Ok(()) };
        if let EventKind::Registered = event.kind {
            self.pools.insert(pool);
        }
        if let EventKind::Deregistered = event.kind {
            self.pools.remove(&pool);
            self.loading.remove(&pool);
        }
        if is_scheduled(&event.kind) {
            let is_automatic = observed.view.pool(pool).is_some_and(|pool| self.starts.is_automatic(&pool));
            let Some(counted) = self.admitted_now.get_mut(&pool) else {
                self.admitted.remove(&pool);
                return Ok(());
            };
            if is_automatic && !std::mem::replace(counted, true) {
                return self.one_more_restart(observed);
            }
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        self.starts.look(pool);
        if pool.phase != PhaseName::Starting {
            self.loading.remove(&pool.uid);
            self.adopted.remove(&pool.uid);
            return Ok(());
        }
        if !self.limited.contains(&pool.uid)
            || self.adopted.contains(&pool.uid)
            || !self.loading.insert(pool.uid)
        {
            return Ok(());
        }
        let most = observed.config.limiter.loads_at_once;
        let holds = most == 0 || self.loading.len() <= most as usize;
        hold(holds, "S22: no more load at once than the limiter says", || {
            format!("{:?} load, {most} may", self.loading)
        })
    }
}

impl LoadsAtOnce {
    fn one_more_restart(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
        let limiter = &observed.config.limiter;
        while self.restarts.front().is_some_and(|at| observed.now.since(*at) >= limiter.restarts_within) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(observed.now);
        let most = limiter.restarts_least as usize;
        let most = most.max(limiter.restarts_per_pool as usize * self.pools.len());
        let holds = limiter.restarts_least == 0 || self.restarts.len() <= most;
        hold(holds, "S22: automatic restarts of all pools stay within their budget", || {
            format!("{} within {:?}, {most} may", self.restarts.len(), limiter.restarts_within)
        })
    }
}

/// Whether a start has got as far as the look at ports and devices.
fn has_asked(pool: &PoolView<'_>) -> bool {
    pool.gates.is_some_and(|gates| gates.release != ReleaseGate::Unasked)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::forged::{Forged, POOL};

    #[test]
    fn a_third_load_is_found() {
        let forged = Forged::new();
        let mut oracle = LoadsAtOnce::default();
        let starts = |uid| PoolView { uid: PoolUid(uid), phase: PhaseName::Starting, ..forged.pool() };
        oracle.limited.extend([1, 2, 3].map(PoolUid));
        assert_eq!(oracle.pool(&starts(1), forged.observed()), Ok(()));
        assert_eq!(oracle.pool(&starts(2), forged.observed()), Ok(()));
        assert!(oracle.pool(&starts(3), forged.observed()).is_err());
    }

    #[test]
    fn a_restart_over_the_budget_of_all_pools_is_found() {
        let forged = Forged::new();
        let mut oracle = LoadsAtOnce::default();
        oracle.pools.insert(POOL);
        let most = forged.config.limiter.restarts_least;
        assert!((0..most).all(|_| oracle.one_more_restart(forged.observed()).is_ok()));
        assert!(oracle.one_more_restart(forged.observed()).is_err());
        let later = Observed { now: forged.now + Duration::from_secs(300), ..forged.observed() };
        assert_eq!(oracle.one_more_restart(later), Ok(()));
    }
}
