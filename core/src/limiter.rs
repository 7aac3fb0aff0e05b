//! The start limiter: how many engines of a host load at once, and how many automatic restarts there may be.
//!
//! A ledger of the host that pools share: a pool asks to be admitted when its other gates are open, and the
//! host tells the limiter when a pool does not load or wait any more. Whoever waits is woken in the order of
//! rank, then of asking; nobody polls.

use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::id::PoolUid;
use crate::spec::LimiterPolicy;
use crate::time::Time;

/// Who goes first, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Rank {
    Rollback,
    Operator,
    FirstStart,
    Restart,
}

/// What becomes of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may load.
    Go,
    /// Not now; it asks again then, or when it is woken.
    Wait { until: Time },
}

/// What a pool does, as far as the limiter is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Loads,
    Waits,
    Neither,
}

/// Who loads and who waits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limiter {
    policy: LimiterPolicy,
    loading: BTreeSet<PoolUid>,
    waiting: BTreeSet<(Rank, u64, PoolUid)>,
    /// Automatic restarts that were admitted, oldest first.
    restarts: VecDeque<Time>,
    asked: u64,
}

/// Whoever waits for a load to end looks again after this long even if nobody wakes it: loads end by their own
/// deadlines, so this is never what a pool waits for, only a net under the wake-up.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Limiter {
    pub(crate) const fn new(policy: LimiterPolicy) -> Self {
        Self {
            policy,
            loading: BTreeSet::new(),
            waiting: BTreeSet::new(),
            restarts: VecDeque::new(),
            asked: 0,
        }
    }

    /// Whether engines that load this fast are not limited.
    pub(crate) fn exempts(&self, load: Duration) -> bool {
        load < self.policy.exempt_below
    }

    /// A pool wants to load. `pools`: how many are registered. `again`: the same start was admitted before, and
    /// something of the host was in its way; it waits for room like any other but is no second restart.
    pub(crate) fn admit(
        &mut self,
        pool: PoolUid,
        rank: Rank,
        again: bool,
        (pools, now): (usize, Time),
    ) -> Admission {
        let counts = rank == Rank::Restart && !again;
        if counts && let Some(until) = self.restarts_full_until(pools, now) {
            self.leave(pool);
            self.forget_waiting(pool);
            return Admission::Wait { until };
        }
        if self.loading.contains(&pool) {
            // A load that failed in this very step is followed by the next at once, where the backoff is zero: it
            // keeps its place, and is a restart all the same.
            if counts {
                self.restarts.push_back(now);
            }
            return Admission::Go;
        }
        let place = self.place(pool, rank);
        let is_first = self.waiting.first() == Some(&place);
        if !(self.has_room() && is_first) {
            return Admission::Wait { until: now + LOOK_AGAIN };
        }
        self.waiting.remove(&place);
        self.loading.insert(pool);
        if counts {
            self.restarts.push_back(now);
        }
        Admission::Go
    }

    /// A pool does this now, whatever it did before.
    pub(crate) fn follow(&mut self, pool: PoolUid, load: Load) {
        match load {
            Load::Loads => {}
            Load::Waits => self.leave(pool),
            Load::Neither => {
                self.leave(pool);
                self.forget_waiting(pool);
            }
        }
    }

    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint) {
        let Self { policy, loading, waiting, restarts, asked: _ } = self;
        to.add(&loading.len());
        loading.iter().for_each(|pool| to.pool(*pool));
        to.add(&waiting.len());
        for (rank, _, pool) in waiting {
            to.add(rank);
            to.pool(*pool);
        }
        if policy.restarts_least > 0 {
            to.recent(restarts.iter().copied(), policy.restarts_within);
        }
    }

    /// The automatic restarts that count, oldest first.
    pub(crate) fn restarts(&self) -> impl Iterator<Item = Time> + '_ {
        self.restarts.iter().copied()
    }

    pub(crate) fn recall(&mut self, restarts: impl Iterator<Item = Time>) {
        self.restarts = restarts.collect();
    }

    /// The supervisor was started again: whoever still loads or waits asks again.
    pub(crate) fn interrupted(&mut self) {
        self.loading.clear();
        self.waiting.clear();
    }

    /// A pool does not load any more.
    pub(crate) fn leave(&mut self, pool: PoolUid) {
        self.loading.remove(&pool);
    }

    /// A pool does not wait any more.
    pub(crate) fn forget_waiting(&mut self, pool: PoolUid) {
        self.waiting.retain(|(_, _, waiting)| *waiting != pool);
    }

    /// The pool that may load now, if it asks again.
    pub(crate) fn next(&self) -> Option<PoolUid> {
        if self.has_room() { self.waiting.first().map(|(_, _, pool)| *pool) } else { None }
    }

    /// Nobody loads and nobody waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.loading.is_empty() && self.waiting.is_empty()
    }

    fn has_room(&self) -> bool {
        let most = self.policy.loads_at_once;
        most == 0 || self.loading.len() < usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// The place of a pool in the queue: the one it has, unless its rank has changed.
    fn place(&mut self, pool: PoolUid, rank: Rank) -> (Rank, u64, PoolUid) {
        let known = self.waiting.iter().find(|(known, _, waiting)| (*known, *waiting) == (rank, pool));
        if let Some(place) = known {
            return *place;
        }
        self.forget_waiting(pool);
        self.asked += 1;
        let place = (rank, self.asked, pool);
        self.waiting.insert(place);
        place
    }

    fn restarts_full_until(&mut self, pools: usize, now: Time) -> Option<Time> {
        let LimiterPolicy { restarts_least, restarts_per_pool, restarts_within, .. } = self.policy;
        if restarts_least == 0 {
            return None;
        }
        while self.restarts.front().is_some_and(|at| now.since(*at) >= restarts_within) {
            self.restarts.pop_front();
        }
        let pools = u32::try_from(pools).unwrap_or(u32::MAX);
        let most = restarts_least.max(restarts_per_pool.saturating_mul(pools));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let oldest_that_counts = self.restarts.iter().rev().nth(most.saturating_sub(1)).copied()?;
        Some(oldest_that_counts + restarts_within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::all_differ;

    const NOW: Time = Time::from_nanos(1);
    const LATER: Admission = Admission::Wait { until: Time::from_nanos(60_000_000_001) };

    fn limiter() -> Limiter {
        Limiter::new(LimiterPolicy::default())
    }

    fn pool(n: u32) -> PoolUid {
        PoolUid(n)
    }

    #[test]
    fn two_load_at_once_and_the_next_is_woken_when_one_is_done() {
        let mut limiter = limiter();
        assert_eq!(limiter.admit(pool(1), Rank::Operator, false, (3, NOW)), Admission::Go);
        assert_eq!(limiter.admit(pool(2), Rank::Operator, false, (3, NOW)), Admission::Go);
        assert_eq!(limiter.admit(pool(3), Rank::Operator, false, (3, NOW)), LATER);
        assert_eq!(limiter.next(), None);
        limiter.leave(pool(1));
        assert_eq!(limiter.next(), Some(pool(3)));
        assert_eq!(limiter.admit(pool(3), Rank::Operator, false, (3, NOW)), Admission::Go);
        assert_eq!(
            limiter.admit(pool(3), Rank::Operator, false, (3, NOW)),
            Admission::Go,
            "it loads already"
        );
    }

    #[test]
    fn rank_goes_before_order() {
        let mut limiter = limiter();
        limiter.admit(pool(1), Rank::Operator, false, (9, NOW));
        limiter.admit(pool(2), Rank::Operator, false, (9, NOW));
        let ranks = [Rank::Restart, Rank::FirstStart, Rank::Operator, Rank::Rollback];
        for (n, rank) in (3..).zip(ranks) {
            assert_eq!(limiter.admit(pool(n), rank, false, (9, NOW)), LATER);
        }
        for expected in [6, 5, 4, 3] {
            limiter.leave(pool(1));
            assert_eq!(limiter.next(), Some(pool(expected)));
            let rank = ranks[expected as usize - 3];
            assert_eq!(limiter.admit(pool(expected), rank, false, (9, NOW)), Admission::Go);
            limiter.leave(pool(expected));
        }
    }

    #[test]
    fn a_later_ask_does_not_overtake_who_waits() {
        let mut limiter = limiter();
        for n in 1..=3 {
            limiter.admit(pool(n), Rank::Operator, false, (4, NOW));
        }
        limiter.leave(pool(1));
        assert_eq!(limiter.admit(pool(4), Rank::Operator, false, (4, NOW)), LATER);
        assert_eq!(limiter.next(), Some(pool(3)));
        limiter.forget_waiting(pool(3));
        assert_eq!(limiter.next(), Some(pool(4)));
    }

    #[test]
    fn automatic_restarts_of_all_pools_are_counted_in_a_sliding_span() {
        let mut limiter = limiter();
        for _ in 0..6 {
            assert_eq!(limiter.admit(pool(1), Rank::Restart, false, (1, NOW)), Admission::Go);
            limiter.leave(pool(1));
        }
        let until = NOW + Duration::from_secs(300);
        assert_eq!(limiter.admit(pool(1), Rank::Restart, false, (1, NOW)), Admission::Wait { until });
        assert_eq!(limiter.next(), None, "time opens it, not another's end");
        assert_eq!(
            limiter.admit(pool(2), Rank::Operator, false, (1, NOW)),
            Admission::Go,
            "people are not counted"
        );
        assert_eq!(
            limiter.admit(pool(3), Rank::Restart, false, (4, NOW)),
            Admission::Go,
            "more pools, more restarts"
        );
        limiter.leave(pool(2));
        assert_eq!(limiter.admit(pool(1), Rank::Restart, false, (1, until)), Admission::Go);
    }

    #[test]
    fn a_restart_that_asks_again_is_not_counted_again_but_waits_for_room() {
        let mut limiter = limiter();
        assert_eq!(limiter.admit(pool(1), Rank::Restart, false, (1, NOW)), Admission::Go);
        for _ in 0..100 {
            limiter.leave(pool(1));
            assert_eq!(limiter.admit(pool(1), Rank::Restart, true, (1, NOW)), Admission::Go);
        }
        assert_eq!(limiter.restarts().count(), 1);
        limiter.leave(pool(1));
        limiter.admit(pool(2), Rank::Operator, false, (3, NOW));
        limiter.admit(pool(3), Rank::Operator, false, (3, NOW));
        assert_eq!(limiter.admit(pool(1), Rank::Restart, true, (3, NOW)), LATER);
    }

    #[test]
    fn a_restart_that_follows_in_the_step_of_the_failure_is_counted() {
        let mut limiter = limiter();
        for _ in 0..6 {
            assert_eq!(limiter.admit(pool(1), Rank::Restart, false, (1, NOW)), Admission::Go);
        }
        let until = NOW + Duration::from_secs(300);
        assert_eq!(limiter.admit(pool(1), Rank::Restart, false, (1, NOW)), Admission::Wait { until });
        assert!(limiter.is_idle(), "it gave its place up");
    }

    #[test]
    fn zero_is_off() {
        let policy = LimiterPolicy { loads_at_once: 0, restarts_least: 0, ..LimiterPolicy::default() };
        let mut limiter = Limiter::new(policy);
        for n in 0..100 {
            assert_eq!(limiter.admit(pool(n), Rank::Restart, false, (1, NOW)), Admission::Go);
        }
    }

    #[test]
    fn loads_that_are_known_to_be_quick_are_exempt_and_one_at_the_limit_is_not() {
        let limiter = limiter();
        let limit = limiter.policy.exempt_below;
        assert!(limiter.exempts(limit - Duration::from_nanos(1)) && !limiter.exempts(limit));
    }

    #[test]
    fn a_start_of_the_supervisor_remembers_restarts_and_forgets_who_loads_and_waits() {
        let mut limiter = limiter();
        limiter.recall([NOW; 6].into_iter());
        assert_eq!(limiter.restarts().count(), 6);
        assert!(matches!(limiter.admit(pool(1), Rank::Restart, false, (1, NOW)), Admission::Wait { .. }));
        for n in 1..=3 {
            limiter.admit(pool(n), Rank::Operator, false, (3, NOW));
        }
        limiter.interrupted();
        assert_eq!(limiter.next(), None, "nobody waits");
        assert_eq!(limiter.admit(pool(4), Rank::Operator, false, (3, NOW)), Admission::Go, "nobody loads");
        assert_eq!(limiter.restarts().count(), 6);
    }

    #[test]
    fn what_decides_the_next_admission_is_in_the_fingerprint() {
        let print = |limiter: &Limiter| {
            let mut to = Fingerprint::new(NOW);
            limiter.write_fingerprint(&mut to);
            to.finish()
        };
        let empty = limiter();
        let mut loads = limiter();
        loads.admit(pool(1), Rank::Operator, false, (3, NOW));
        let mut more = loads.clone();
        more.admit(pool(2), Rank::Operator, false, (3, NOW));
        let mut waits = more.clone();
        waits.admit(pool(3), Rank::Operator, false, (3, NOW));
        let mut waits_last = more.clone();
        waits_last.admit(pool(3), Rank::Restart, true, (3, NOW));
        let mut restarted = limiter();
        restarted.recall([NOW].into_iter());
        let all = [&empty, &loads, &more, &waits, &waits_last, &restarted].map(print);
        all_differ(&all);
        let policy = LimiterPolicy { restarts_least: 0, ..LimiterPolicy::default() };
        let (unlimited, mut counted) = (Limiter::new(policy.clone()), Limiter::new(policy));
        counted.recall([NOW].into_iter());
        assert_eq!(print(&unlimited), print(&counted), "nobody counts them");
    }
}
