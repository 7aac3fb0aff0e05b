//! S23: while a pool drains, what was admitted does not rise, by the clients' own books.

use std::collections::BTreeMap;

use pool_manager_core::{PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct DrainClosed {
    /// What clients had been granted when the drain was first seen.
    granted: BTreeMap<PoolUid, u64>,
}

impl Oracle for DrainClosed {
    fn history_lost(&mut self) {
        self.granted.clear();
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        if !pool.draining {
            self.granted.remove(&pool.uid);
            return Ok(());
        }
        let granted = observed.clients.book(pool.uid).map_or(0, |book| book.granted);
        let then = *self.granted.entry(pool.uid).or_insert(granted);
        hold(granted == then, "S23: a drain admits nobody", || {
            format!("pool {}: {then} leases granted when it began, {granted} now", pool.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn a_lease_granted_during_a_drain_is_found() {
        let mut forged = Forged::new();
        let mut oracle = DrainClosed::default();
        let drains = |forged: &Forged, oracle: &mut DrainClosed| {
            oracle.pool(&PoolView { draining: true, ..forged.pool() }, forged.observed())
        };
        assert_eq!(drains(&forged, &mut oracle), Ok(()));
        forged.client_is_granted(1);
        assert!(drains(&forged, &mut oracle).is_err());
    }
}
