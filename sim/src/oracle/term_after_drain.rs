//! S24: an engine that drains is signalled only when nobody holds a lease on it any more, by the clients' own
//! books: all have ended, or S26 let what was left be cut first.

use std::collections::BTreeSet;

use pool_manager_core::{Effect, Input, PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct TermAfterDrain {
    draining: BTreeSet<PoolUid>,
    /// Pools that drained before this step, and whose engine is signalled in it.
    signalled: BTreeSet<PoolUid>,
}

impl Oracle for TermAfterDrain {
    fn input(&mut self, _input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        self.signalled.clear();
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Signal { engine, .. } = effect else { return Ok(()) };
        let current = observed.view.pool(engine.pool).and_then(|pool| pool.engine);
        let is_current = current.is_some_and(|current| current.incarnation == engine.incarnation);
        if is_current && self.draining.contains(&engine.pool) {
            self.signalled.insert(engine.pool);
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        if pool.draining {
            self.draining.insert(pool.uid)
        } else {
            self.draining.remove(&pool.uid)
        };
        if !self.signalled.remove(&pool.uid) {
            return Ok(());
        }
        let active = observed.clients.book(pool.uid).map_or(0, |book| book.active.len());
        hold(active == 0, "S24: a draining engine is signalled when nothing is in flight", || {
            format!("pool {}: {active} leases are held", pool.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::{Forged, POOL};

    #[test]
    fn a_signal_to_an_engine_that_still_works_is_found() {
        let mut forged = Forged::new();
        let mut oracle = TermAfterDrain::default();
        oracle.signalled.insert(POOL);
        assert_eq!(oracle.pool(&forged.pool(), forged.observed()), Ok(()), "nobody holds a lease");
        forged.client_is_granted(1);
        oracle.signalled.insert(POOL);
        assert!(oracle.pool(&forged.pool(), forged.observed()).is_err());
    }
}
