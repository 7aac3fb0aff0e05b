//! S14: automatic restarts within the sliding window are never more than the policy says, and too many in a short
//! time open the general circuit.
//!
//! Only starts that are certainly automatic are counted, so a broken window is found a start late at worst.

use std::collections::{BTreeMap, VecDeque};

use pool_manager_core::{
    CircuitKind, CircuitState, Effect, Event, EventKind, Input, PoolUid, PoolView, RestartPolicy, Storm, Time,
};

use super::starts::Starts;
use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct RestartsInWindow {
    starts: Starts,
    pools: BTreeMap<PoolUid, Restarts>,
}

#[derive(Debug, Default)]
struct Restarts {
    at: VecDeque<Time>,
    /// The count at the last one was that of a storm.
    raged: bool,
    /// A start that may have been counted or forgotten, for all we know.
    blurred: Option<Time>,
    ready: Option<Time>,
    /// Why the next start comes is not known.
    forgot: bool,
    /// A storm began with this step's start.
    storm: bool,
}

impl Oracle for RestartsInWindow {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            self.starts.resumed(before.view);
            for restarts in self.pools.values_mut() {
                restarts.blurred = Some(before.now);
                // One that began in the step in which the supervisor died was told to nobody.
                restarts.raged |= std::mem::take(&mut restarts.storm);
            }
        }
        Ok(())
    }

    fn history_lost(&mut self) {
        self.starts.forget();
        for restarts in self.pools.values_mut() {
            restarts.at.clear();
            restarts.forgot = true;
        }
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, .. } = effect else { return Ok(()) };
        let Some(pool) = observed.view.pool(engine.pool) else { return Ok(()) };
        let (automatic, policy) = (self.starts.is_automatic(&pool), &pool.policy.restart);
        self.starts.begun(pool.uid);
        let restarts = self.pools.entry(pool.uid).or_default();
        restarts.forget_if_stable(observed.now, policy);
        let forgot = std::mem::take(&mut restarts.forgot);
        if !automatic {
            // Not one of the window's, unless a reload was under way.
            if forgot || pool.operation.is_some() {
                restarts.blurred = Some(observed.now);
            }
            return Ok(());
        }
        let (count, storm) = restarts.one_more(observed.now, policy);
        restarts.storm = storm;
        let most = policy.window_restarts;
        hold(most == 0 || count <= most, "S14: the window over restarts holds", || {
            format!("{engine} is automatic restart {count} within {:?}", policy.window)
        })
    }

    fn event(&mut self, event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        self.starts.event(event);
        let Some(restarts) = event.pool.and_then(|pool| self.pools.get_mut(&pool)) else { return Ok(()) };
        if let EventKind::EngineReady { .. } = event.kind {
            restarts.ready = Some(event.at);
        }
        if let EventKind::StormBegan { storm: Storm::Restarts, .. } = event.kind {
            (restarts.storm, restarts.raged) = (false, true);
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        self.starts.look(pool);
        let Some(restarts) = self.pools.get_mut(&pool.uid) else { return Ok(()) };
        if !std::mem::take(&mut restarts.storm) {
            return Ok(());
        }
        let opened = pool
            .circuits
            .iter()
            .any(|circuit| circuit.kind == CircuitKind::General && circuit.state == CircuitState::Open);
        hold(opened, "S14: a restart storm is told, and opens the general circuit", || {
            format!("pool {}: {:?}", pool.name, pool.circuits)
        })
    }
}

impl Restarts {
    /// Counts one; answers how many that makes, and whether a storm begins.
    fn one_more(&mut self, now: Time, policy: &RestartPolicy) -> (u32, bool) {
        let span = policy.window.max(policy.storm_within);
        while self.at.front().is_some_and(|at| now.since(*at) >= span) {
            self.at.pop_front();
        }
        self.at.push_back(now);
        let within = |span| self.at.iter().filter(|at| now.since(**at) < span).count();
        let rages =
            policy.storm_restarts > 0 && within(policy.storm_within) >= policy.storm_restarts as usize;
        let sharp = self.blurred.is_none_or(|at| now.since(at) >= span);
        let storm = rages && !std::mem::replace(&mut self.raged, rages) && sharp;
        (u32::try_from(within(policy.window)).unwrap_or(u32::MAX), storm)
    }

    /// A long stable run empties the window. When exactly, a suspend may have moved.
    fn forget_if_stable(&mut self, now: Time, policy: &RestartPolicy) {
        if self.ready.take().is_some_and(|since| now.since(since) >= policy.restart_count_reset_after) {
            self.at.clear();
            self.blurred = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::forged::{Forged, POOL};

    fn after_restarts(forged: &mut Forged, oracle: &mut RestartsInWindow, n: u32) -> Result<(), Violation> {
        (1..=n).try_for_each(|run| {
            oracle.event(&forged.restart_scheduled(Duration::ZERO, 1), forged.observed())?;
            forged.now = forged.now + Duration::from_millis(10);
            oracle.effect(&forged.spawn(run), forged.observed())
        })
    }

    #[test]
    fn one_restart_too_many_is_found() {
        let (mut forged, mut oracle) = (Forged::new(), RestartsInWindow::default());
        let most = forged.pool().policy.restart.window_restarts;
        assert_eq!(after_restarts(&mut forged, &mut oracle, most), Ok(()));
        assert!(after_restarts(&mut forged, &mut oracle, 1).is_err());
    }

    #[test]
    fn a_storm_that_opens_nothing_is_found() {
        let (mut forged, mut oracle) = (Forged::new(), RestartsInWindow::default());
        let storm = forged.pool().policy.restart.storm_restarts;
        assert_eq!(after_restarts(&mut forged, &mut oracle, storm), Ok(()));
        assert!(oracle.pools[&POOL].raged);
        assert!(oracle.pool(&forged.pool(), forged.observed()).is_err());
    }
}
