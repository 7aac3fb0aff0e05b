//! S16: every end is told once, is a real one, and is counted once; `crashes_total` is the number of those that
//! were charged.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{EngineRef, Event, EventKind, Input, PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct EndsOnce {
    ended: BTreeSet<EngineRef>,
    judged: BTreeSet<EngineRef>,
    charged: BTreeMap<PoolUid, u64>,
}

impl Oracle for EndsOnce {
    fn history_lost(&mut self) {
        // What nobody remembers is told again.
        self.ended.clear();
        self.judged.clear();
    }

    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            // Events of the step in which the supervisor died were told to nobody; that the count is the one that
            // was written down is for J06 and the oracle of adoption.
            self.charged = before.view.pools().map(|pool| (pool.uid, pool.crashes_total)).collect();
            // Another version finds an engine gone whose end was told, but not judged yet: it is told again.
            let judged = &self.judged;
            self.ended.retain(|engine| judged.contains(engine));
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
        let Some(pool) = event.pool else { return Ok(()) };
        let engine = event.incarnation.map(|incarnation| EngineRef { pool, incarnation });
        if let (EventKind::EngineEnded { .. }, Some(engine)) = (&event.kind, engine) {
            let process = observed.processes.of(engine);
            let is_over = process.is_none_or(|process| !process.is_alive());
            hold(is_over, "S16: only what ended is said to have ended", || format!("{engine} lives"))?;
            return hold(self.ended.insert(engine), "S16: every end is told once", || format!("{engine}"));
        }
        let (charged, total) = if let EventKind::Crashed { verdict, crashes_total, .. } = &event.kind {
            (verdict.class.is_charged(), Some(*crashes_total))
        } else if let EventKind::CandidateFailed { .. } = event.kind {
            (false, None)
        } else {
            return Ok(());
        };
        let first = engine.is_none_or(|engine| self.judged.insert(engine));
        hold(first, "S16: every end is counted once", || format!("{engine:?}: {:?}", event.kind))?;
        let known = self.charged.entry(pool).or_default();
        *known += u64::from(charged);
        let known = *known;
        hold(total.is_none_or(|total| total == known), "S16: every end is counted once", || {
            format!("pool {pool}: crash {total:?} is said, we count {known}")
        })
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let charged = self.charged.get(&pool.uid).copied().unwrap_or(0);
        hold(pool.crashes_total == charged, "S16: every end is counted once", || {
            format!("pool {} shows {} crashes, we count {charged}", pool.name, pool.crashes_total)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;
    use pool_manager_core::ExitStatus;

    #[test]
    fn an_end_that_is_told_or_counted_twice_is_found() {
        let forged = Forged::new();
        let mut oracle = EndsOnce::default();
        let ended = forged.event(EventKind::EngineEnded { status: ExitStatus::Code(1), stopped_for: None });
        assert_eq!(oracle.event(&ended, forged.observed()), Ok(()));
        assert!(oracle.event(&ended, forged.observed()).is_err(), "told twice");
        assert_eq!(oracle.event(&forged.crashed(1), forged.observed()), Ok(()));
        assert!(oracle.event(&forged.crashed(2), forged.observed()).is_err(), "counted twice");
        assert!(oracle.pool(&forged.pool(), forged.observed()).is_err(), "the pool shows none");
    }
}
