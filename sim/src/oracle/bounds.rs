//! S38: what one input leads to is bounded: so many effects a pool, and no more replies than there are callers. And
//! every queue keeps its bound.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{Effect, Event, HoldReason, Input, PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// What the step has given so far, but replies, and to how many pools at most.
    effects: usize,
    replies: usize,
    events: usize,
    queued: BTreeMap<PoolUid, usize>,
    active: BTreeMap<PoolUid, usize>,
    /// Those that wait for the end of a stuck engine on their GPU: they go on all at once.
    quarantined: BTreeSet<PoolUid>,
}

/// An end asks for evidence and removes two files; the longest chain is a shutdown of a pool that starts.
const EFFECTS_A_POOL: usize = 8;
/// An end with its verdict, the end of its operation, a storm and what comes next.
const EVENTS_A_POOL: usize = 16;

impl Oracle for Bounds {
    fn input(&mut self, _input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        (self.effects, self.replies, self.events) = (0, 0, 0);
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::Reply { .. } = effect {
            self.replies += 1;
            let callers = 1 + self.of(observed.about, &self.queued);
            return hold(self.replies <= callers, "S38: no more replies than callers", || {
                format!("{} replies to {callers} callers", self.replies)
            });
        }
        self.effects += 1;
        let most = EFFECTS_A_POOL * self.pools(observed);
        hold(self.effects <= most, "S38: the effects of one input are bounded", || {
            format!("{} effects, {most} may be; the last is {effect:?}", self.effects)
        })
    }

    fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
        self.events += 1;
        let most = EVENTS_A_POOL * self.pools(observed) + self.of(observed.about, &self.active);
        hold(self.events <= most, "S38: the events of one input are bounded", || {
            format!("{} events, {most} may be; the last is {event:?}", self.events)
        })
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        self.queued.insert(pool.uid, pool.leases_queued as usize);
        self.active.insert(pool.uid, pool.leases_active as usize);
        if pool.held == Some(HoldReason::Quarantine) {
            self.quarantined.insert(pool.uid);
        } else if !self.quarantined.is_empty() {
            self.quarantined.remove(&pool.uid);
        }
        hold(pool.leases_queued <= pool.policy.lease.queue, "S38: the queue of asks keeps its bound", || {
            format!("pool {}: {} asks wait", pool.name, pool.leases_queued)
        })
    }
}

impl Bounds {
    /// Those an input may be about: its own pool, as many as the limiter may let go on, and those whose GPU it sets
    /// free; else all.
    fn pools(&self, observed: Observed<'_>) -> usize {
        match observed.about {
            Some(_) => 1 + observed.config.limiter.loads_at_once as usize + self.quarantined.len(),
            None => 1 + self.queued.len(),
        }
    }

    fn of(&self, about: Option<PoolUid>, counts: &BTreeMap<PoolUid, usize>) -> usize {
        match about {
            Some(pool) => counts.get(&pool).copied().unwrap_or(0),
            None => counts.values().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn too_many_replies_effects_and_asks_are_found() {
        let mut forged = Forged::new();
        forged.about = Some(crate::oracle::forged::POOL);
        let mut oracle = Bounds::default();
        assert_eq!(oracle.effect(&forged.refusal(1), forged.observed()), Ok(()));
        assert!(oracle.effect(&forged.refusal(2), forged.observed()).is_err());
        let most = EFFECTS_A_POOL * oracle.pools(forged.observed());
        assert!((0..most).all(|_| oracle.effect(&forged.check_release(1), forged.observed()).is_ok()));
        assert!(oracle.effect(&forged.check_release(1), forged.observed()).is_err());
        let full = PoolView { leases_queued: forged.pool().policy.lease.queue + 1, ..forged.pool() };
        assert!(oracle.pool(&full, forged.observed()).is_err());
    }
}
