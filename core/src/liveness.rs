//! Liveness of a ready engine: how many probes failed in a row, and which of them count.
//!
//! A time-out does not count while work progressed since the last probe: a busy engine may be slow
//! to answer. That patience has an end of its own.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::input::ProbeAnswer;
use crate::spec::LivenessPolicy;
use crate::time::Time;

/// What the last probes said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Liveness {
    misses: u32,
    last_healthy: Time,
    /// The lease book's progress at the last answer.
    progress_seen: u64,
}

/// What one answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Healthy.
    Beat,
    /// A failure; `counted` or excused.
    Missed { misses: u32, counted: bool },
    /// Too many failures in a row.
    Dead { misses: u32 },
}

impl Liveness {
    pub(crate) const fn begin(now: Time, progress: u64) -> Self {
        Self { misses: 0, last_healthy: now, progress_seen: progress }
    }

    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint, progress: u64, policy: &LivenessPolicy) {
        let Self { misses, last_healthy, progress_seen } = self;
        to.add(misses);
        if !policy.progress_grace.is_zero() {
            to.past(*last_healthy, policy.progress_grace);
            to.add(&(*progress_seen != progress));
        }
    }

    /// The machine was suspended: patience does not run out meanwhile.
    pub(crate) fn shift(self, by: Duration) -> Self {
        Self { last_healthy: self.last_healthy + by, ..self }
    }

    pub(crate) fn answer(
        self,
        now: Time,
        answer: ProbeAnswer,
        progress: u64,
        policy: &LivenessPolicy,
    ) -> (Self, Pulse) {
        let progressed = progress != self.progress_seen;
        let patient = now.since(self.last_healthy) < policy.progress_grace;
        let seen = Self { progress_seen: progress, ..self };
        match answer {
            ProbeAnswer::Healthy => (Self::begin(now, progress), Pulse::Beat),
            ProbeAnswer::TimedOut if progressed && patient => {
                (seen, Pulse::Missed { misses: self.misses, counted: false })
            }
            ProbeAnswer::TimedOut
            | ProbeAnswer::Loading
            | ProbeAnswer::Refused
            | ProbeAnswer::Stranger
            | ProbeAnswer::Unhealthy { .. } => {
                let misses = self.misses.saturating_add(1);
                let dead = policy.failures > 0 && misses >= policy.failures;
                let pulse =
                    if dead { Pulse::Dead { misses } } else { Pulse::Missed { misses, counted: true } };
                (Self { misses, ..seen }, pulse)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::all_differ;

    const SECOND: Duration = Duration::from_secs(1);

    fn timed_out(pulse: Liveness, at: u64, progress: u64) -> (Liveness, Pulse) {
        let now = Time::ZERO + SECOND * u32::try_from(at).unwrap_or(u32::MAX);
        pulse.answer(now, ProbeAnswer::TimedOut, progress, &LivenessPolicy::default())
    }

    #[test]
    fn three_failures_in_a_row_are_dead_and_one_success_forgives() {
        let policy = LivenessPolicy::default();
        let start = Liveness::begin(Time::ZERO, 0);
        let (one, _) = start.answer(Time::ZERO, ProbeAnswer::Refused, 0, &policy);
        let (two, pulse) = one.answer(Time::ZERO, ProbeAnswer::TimedOut, 0, &policy);
        assert_eq!(pulse, Pulse::Missed { misses: 2, counted: true });
        let (_, pulse) = two.answer(Time::ZERO, ProbeAnswer::Unhealthy { status: 500 }, 0, &policy);
        assert_eq!(pulse, Pulse::Dead { misses: 3 });
        let (forgiven, pulse) = two.answer(Time::ZERO, ProbeAnswer::Healthy, 0, &policy);
        assert_eq!((forgiven, pulse), (start, Pulse::Beat));
    }

    #[test]
    fn a_time_out_is_excused_while_work_moves_but_not_for_ever() {
        let start = Liveness::begin(Time::ZERO, 0);
        let (busy, pulse) = timed_out(start, 5, 1);
        assert_eq!(pulse, Pulse::Missed { misses: 0, counted: false });
        let (_, pulse) = timed_out(busy, 10, 1);
        assert_eq!(pulse, Pulse::Missed { misses: 1, counted: true }, "nothing moved since");
        let (_, pulse) = timed_out(busy, 120, 2);
        assert_eq!(pulse, Pulse::Missed { misses: 1, counted: true }, "patience has an end");
    }

    #[test]
    fn patience_stands_still_while_the_machine_sleeps() {
        let start = Liveness::begin(Time::ZERO, 0);
        let (_, pulse) = timed_out(start.shift(SECOND * 100), 119, 1);
        assert_eq!(pulse, Pulse::Missed { misses: 0, counted: false });
        let (_, pulse) = timed_out(start.shift(SECOND * 100), 220, 1);
        assert_eq!(pulse, Pulse::Missed { misses: 1, counted: true });
        let (one, _) = timed_out(start, 1, 0);
        let (_, pulse) = timed_out(one.shift(SECOND), 2, 0);
        assert_eq!(pulse, Pulse::Missed { misses: 2, counted: true }, "what was missed stays missed");
    }

    #[test]
    fn without_a_limit_no_failure_is_the_last() {
        let policy = LivenessPolicy { failures: 0, ..LivenessPolicy::default() };
        let mut liveness = Liveness::begin(Time::ZERO, 0);
        for misses in 1..100 {
            let pulse;
            (liveness, pulse) = liveness.answer(Time::ZERO, ProbeAnswer::Refused, 0, &policy);
            assert_eq!(pulse, Pulse::Missed { misses, counted: true });
        }
    }

    #[test]
    fn misses_patience_and_progress_are_in_the_fingerprint() {
        let print = |liveness: Liveness, progress, policy: &LivenessPolicy| {
            let mut to = Fingerprint::new(Time::ZERO + SECOND * 10);
            liveness.write_fingerprint(&mut to, progress, policy);
            to.finish()
        };
        let policy = LivenessPolicy::default();
        let start = Liveness::begin(Time::ZERO, 7);
        let (missed, _) = timed_out(start, 1, 7);
        let (later, moved) = (start.shift(SECOND), print(start, 8, &policy));
        let all = [print(start, 7, &policy), print(missed, 7, &policy), print(later, 7, &policy), moved];
        all_differ(&all);
        let stern = LivenessPolicy { progress_grace: Duration::ZERO, ..policy };
        assert_eq!(print(start, 7, &stern), print(later, 8, &stern), "nobody is patient");
    }
}
