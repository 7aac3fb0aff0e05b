//! Backoff: how long a restart waits after the n-th failure in a row.
//!
//! Pure: the jitter is a keyed draw, so the same crash of the same incarnation always waits the same
//! time, and pools that crash in one instant do not come back in one.

use core::time::Duration;

use crate::id::{Incarnation, PoolUid};
use crate::jitter;
use crate::spec::RestartPolicy;
use crate::verdict::CrashClass;

/// What the jitter is keyed by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) seed: u64,
    pub(crate) pool: PoolUid,
    pub(crate) incarnation: Incarnation,
}

/// The delay before the restart that follows the `failures`-th failure in a row (from 1), counted
/// from the observed end: uniform within ±10 % of the base, never under the floor or over the cap.
pub(crate) fn delay(policy: &RestartPolicy, failures: u32, class: CrashClass, key: Key) -> Duration {
    let base = base(policy, failures, class);
    let tenth = base / 10;
    let low = (base - tenth).max(policy.backoff_floor).min(policy.backoff_cap);
    let high = (base + tenth).min(policy.backoff_cap).max(low);
    let Incarnation { epoch, n } = key.incarnation;
    let draw = jitter::draw(key.seed, &[u64::from(key.pool.0), u64::from(epoch), u64::from(n)]);
    low + jitter::within(draw, high - low)
}

/// The delay without jitter: initial × 2^(failures − 1) × class factor, between floor and cap.
pub(crate) fn base(policy: &RestartPolicy, failures: u32, class: CrashClass) -> Duration {
    let factor = if matches!(class, CrashClass::Cuda(_)) { policy.cuda_factor } else { 1 };
    let doublings = failures.saturating_sub(1).min(63);
    let nanos = policy
        .backoff_initial
        .as_nanos()
        .saturating_mul(1_u128 << doublings)
        .saturating_mul(u128::from(factor));
    let base = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    base.max(policy.backoff_floor).min(policy.backoff_cap)
}

/// From this many failures in a row on, one more does not wait longer.
pub(crate) fn failures_at_cap(policy: &RestartPolicy) -> u32 {
    let reaches = |failures: &u32| base(policy, *failures, CrashClass::Unknown) >= policy.backoff_cap;
    (1..64).find(reaches).unwrap_or(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: CrashClass = CrashClass::Exit(1);

    fn key(n: u32) -> Key {
        Key { seed: 7, pool: PoolUid(1), incarnation: Incarnation { epoch: 1, n } }
    }

    fn base_millis(failures: u32, class: CrashClass) -> u128 {
        base(&RestartPolicy::default(), failures, class).as_millis()
    }

    #[test]
    fn the_first_delay_is_the_initial_one() {
        assert_eq!(base_millis(1, EXIT), 1000);
    }

    #[test]
    fn the_delay_doubles() {
        let series = [1, 2, 3, 4, 5].map(|failures| base_millis(failures, EXIT));
        assert_eq!(series, [1000, 2000, 4000, 8000, 16_000]);
    }

    #[test]
    fn the_cap_holds_jitter_included() {
        let policy = RestartPolicy::default();
        assert_eq!(base_millis(u32::MAX, EXIT), 60_000);
        for n in 0..1000 {
            assert!(delay(&policy, 10, EXIT, key(n)) <= policy.backoff_cap);
        }
    }

    #[test]
    fn the_floor_holds_jitter_included() {
        let initial = Duration::from_millis(1);
        let policy = RestartPolicy { backoff_initial: initial, ..RestartPolicy::default() };
        for n in 0..1000 {
            assert!(delay(&policy, 1, EXIT, key(n)) >= policy.backoff_floor);
        }
    }

    #[test]
    fn a_cuda_error_waits_twice_as_long() {
        assert_eq!(base_millis(1, CrashClass::Cuda(None)), 2000);
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_spreads() {
        let delays: alloc::collections::BTreeSet<_> =
            (0..100).map(|n| delay(&RestartPolicy::default(), 3, EXIT, key(n))).collect();
        assert_eq!(delays.len(), 100);
        assert!(delays.iter().all(|d| (3600..=4400).contains(&d.as_millis())));
    }

    #[test]
    fn a_cap_below_the_floor_wins() {
        let cap = Duration::from_millis(100);
        let policy = RestartPolicy { backoff_cap: cap, ..RestartPolicy::default() };
        assert_eq!(delay(&policy, 1, EXIT, key(1)), cap);
    }

    #[test]
    fn more_failures_than_reach_the_cap_wait_no_longer() {
        let policy = RestartPolicy::default();
        let reached = failures_at_cap(&policy);
        assert_eq!(reached, 7, "64 s are above 60 s, 32 s are not");
        assert_eq!(base(&policy, reached, EXIT), base(&policy, 1000, EXIT));
        assert!(base(&policy, reached - 1, EXIT) < base(&policy, reached, EXIT));
        let flat = RestartPolicy { backoff_initial: policy.backoff_cap, ..policy };
        assert_eq!(failures_at_cap(&flat), 1);
    }
}
