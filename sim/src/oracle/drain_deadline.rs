//! S27: the deadline of a drain, once set, never moves later but by a command on that pool; and a second drain only
//! ever moves it earlier.

use std::collections::BTreeMap;

use pool_manager_core::{Input, OperationKind, PhaseName, PoolUid, PoolView, Time, Verb};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct DrainDeadline {
    until: BTreeMap<PoolUid, Time>,
    /// The pool whose command this step is, unless it joins a drain that runs.
    commanded: Option<PoolUid>,
}

impl Oracle for DrainDeadline {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        self.commanded = None;
        if let Input::Command { pool, verb, .. } = input {
            let operation = before.view.pool(*pool).and_then(|pool| pool.operation);
            let drains = operation.is_some_and(|operation| operation.kind == OperationKind::Drain);
            let joins = matches!(verb, Verb::Drain { .. }) && drains;
            self.commanded = Some(*pool).filter(|_| !joins);
        }
        if let Input::Resume(_) = input {
            // What a command changed in the step in which the supervisor died was told to nobody, and what was in the
            // lost tail of a journal did not happen. Another version knows of no drain, and may begin one of its own.
            let drains = before.view.pools().filter(|pool| pool.draining);
            self.until = drains.filter_map(|pool| Some((pool.uid, pool.drain_deadline?))).collect();
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let (Some(until), PhaseName::Draining) = (pool.drain_deadline, pool.phase) else {
            self.until.remove(&pool.uid);
            return Ok(());
        };
        let before = self.until.insert(pool.uid, until);
        let may = self.commanded == Some(pool.uid);
        hold(
            may || before.is_none_or(|before| until <= before),
            "S27: a drain's deadline never moves later",
            || format!("pool {}: from {before:?} to {until}", pool.name),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::forged::{Forged, POOL};

    #[test]
    fn a_deadline_that_moves_by_itself_is_found() {
        let forged = Forged::new();
        let mut oracle = DrainDeadline::default();
        let drains = |seconds| {
            let until = Some(forged.now + Duration::from_secs(seconds));
            PoolView { phase: PhaseName::Draining, drain_deadline: until, ..forged.pool() }
        };
        assert_eq!(oracle.pool(&drains(5), forged.observed()), Ok(()));
        assert_eq!(oracle.pool(&drains(4), forged.observed()), Ok(()), "earlier");
        assert!(oracle.pool(&drains(6), forged.observed()).is_err());
        oracle.commanded = Some(POOL);
        assert_eq!(oracle.pool(&drains(60), forged.observed()), Ok(()), "by a command");
    }
}
