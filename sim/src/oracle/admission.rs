//! S03: no lease is granted while the pool does not admit: before it is ready, from the step on in which a drain
//! begins or its engine is suspected, and once the supervisor goes down.
//!
//! Who admits is told by events alone; S01 compares the same with what the core shows.

use std::collections::BTreeSet;

use pool_manager_core::{Answer, Effect, Event, EventKind, Input, PhaseName, PoolUid};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Admission {
    ready: BTreeSet<PoolUid>,
    suspect: BTreeSet<PoolUid>,
    closing: bool,
}

impl Oracle for Admission {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            // Another version goes on with a phase of its own and says nothing of it.
            let pools = before.view.pools();
            self.ready = pools.filter(|pool| pool.phase == PhaseName::Ready).map(|pool| pool.uid).collect();
            let pools = before.view.pools();
            self.suspect = pools.filter(|pool| pool.suspect).map(|pool| pool.uid).collect();
            self.closing = false;
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Reply { answer, .. } = effect else { return Ok(()) };
        let Answer::Granted { lease, .. } = **answer else { return Ok(()) };
        let pool = lease.engine.pool;
        let admits = self.ready.contains(&pool) && !self.suspect.contains(&pool) && !self.closing;
        hold(admits, "S03: only a pool that admits grants leases", || format!("lease {lease}"))
    }

    fn event(&mut self, event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        if let EventKind::ShutdownStarted { .. } = event.kind {
            self.closing = true;
        }
        let Some(pool) = event.pool else { return Ok(()) };
        if let EventKind::PhaseChanged { to, .. } = event.kind {
            if to == PhaseName::Ready {
                self.ready.insert(pool)
            } else {
                self.ready.remove(&pool)
            };
        }
        if let EventKind::EngineSuspect { .. } = event.kind {
            self.suspect.insert(pool);
        }
        if matches!(event.kind, EventKind::EngineCleared | EventKind::EngineEnded { .. }) {
            self.suspect.remove(&pool);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::{Forged, POOL};

    #[test]
    fn a_grant_of_a_pool_that_never_was_ready_or_is_suspect_is_found() {
        let forged = Forged::new();
        let mut oracle = Admission::default();
        assert!(oracle.effect(&forged.grant(1), forged.observed()).is_err(), "never ready");
        let ready = EventKind::PhaseChanged { from: PhaseName::Starting, to: PhaseName::Ready };
        oracle.event(&forged.event(ready), forged.observed()).expect("an event");
        assert_eq!(oracle.effect(&forged.grant(1), forged.observed()), Ok(()));
        oracle
            .event(&forged.event(EventKind::EngineSuspect { offset: 0 }), forged.observed())
            .expect("an event");
        assert!(oracle.effect(&forged.grant(2), forged.observed()).is_err(), "suspect");
        assert!(oracle.suspect.contains(&POOL));
    }
}
