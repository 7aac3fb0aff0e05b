//! Sliding windows over automatic restarts and over out-of-memory ends: how many there were lately, when
//! there is room for another, and when they are a storm.
//!
//! An event counts as long as it is younger than the window; the window slides, it does not tumble. The pool
//! says what happened and decides what follows.

use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::spec::RestartPolicy;
use crate::time::Time;

/// Too much of one thing in a short time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storm {
    /// Out-of-memory ends.
    OutOfMemory,
    /// Automatic restarts.
    Restarts,
}

impl Storm {
    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OutOfMemory => "oom_storm",
            Self::Restarts => "restart_storm",
        }
    }
}

/// The automatic restarts of a pool, at their spawn instants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestartWindow {
    starts: Recent,
    storms: Storms,
}

/// What one more restart amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restarted {
    /// Restarts within the window, this one included.
    pub(crate) restarts: u32,
    /// There were fewer than are worth a warning, and now there are as many.
    pub(crate) is_frequent: bool,
    /// A storm began with this one: how many restarts it is made of.
    pub(crate) storm: Option<u32>,
}

impl RestartWindow {
    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint, policy: &RestartPolicy) {
        let Self { starts: Recent { at }, storms: Storms { rages, total: _ } } = self;
        let window = if policy.window_restarts > 0 { policy.window } else { Duration::ZERO };
        let storm = if policy.storm_restarts > 0 { policy.storm_within } else { Duration::ZERO };
        to.recent(at.iter().copied(), window.max(storm));
        to.add(rages);
    }

    /// When the next automatic restart may come; `None`: now.
    pub(crate) fn room_at(&self, now: Time, policy: &RestartPolicy) -> Option<Time> {
        let most = usize::try_from(policy.window_restarts).unwrap_or(usize::MAX);
        let oldest_that_counts = self.starts.last_but(most.checked_sub(1)?)?;
        Some(oldest_that_counts + policy.window).filter(|at| *at > now)
    }

    pub(crate) fn record(&mut self, now: Time, policy: &RestartPolicy) -> Restarted {
        let before = self.starts.within(now, policy.window);
        self.starts.add(now, policy.window.max(policy.storm_within));
        let restarts = self.starts.within(now, policy.window);
        let warning = policy.window_warning;
        let storm_restarts = self.starts.within(now, policy.storm_within);
        Restarted {
            restarts,
            is_frequent: warning > 0 && before <= warning && restarts > warning,
            storm: self.storms.look(storm_restarts, policy.storm_restarts),
        }
    }

    /// Restarts within the window.
    pub(crate) fn count(&self, now: Time, policy: &RestartPolicy) -> u32 {
        self.starts.within(now, policy.window)
    }

    pub(crate) const fn storms(&self) -> u64 {
        self.storms.total
    }

    pub(crate) const fn rages(&self) -> bool {
        self.storms.rages
    }

    /// Those that are remembered, oldest first.
    pub(crate) fn starts(&self) -> impl Iterator<Item = Time> + '_ {
        self.starts.at.iter().copied()
    }

    pub(crate) const fn recall(at: VecDeque<Time>, total: u64, rages: bool) -> Self {
        Self { starts: Recent { at }, storms: Storms { rages, total } }
    }

    /// A long stable run empties the window; the storms there were stay counted.
    pub(crate) fn clear(&mut self) {
        self.starts = Recent::default();
        self.storms.rages = false;
    }
}

/// The out-of-memory ends of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OomWindow {
    ends: Recent,
    storms: Storms,
}

impl OomWindow {
    /// A storm of these is only said aloud.
    pub(crate) fn write_fingerprint(&self, _to: &mut Fingerprint) {
        let Self { ends: _, storms: _ } = self;
    }

    /// One more end. `Some`: a storm began with it, of so many.
    pub(crate) fn record(&mut self, now: Time, policy: &RestartPolicy) -> Option<u32> {
        self.ends.add(now, policy.oom_storm_within);
        self.storms.look(self.ends.within(now, policy.oom_storm_within), policy.oom_storm_ends)
    }

    pub(crate) const fn storms(&self) -> u64 {
        self.storms.total
    }

    pub(crate) const fn rages(&self) -> bool {
        self.storms.rages
    }

    /// Those that are remembered, oldest first.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Time> + '_ {
        self.ends.at.iter().copied()
    }

    pub(crate) const fn recall(at: VecDeque<Time>, total: u64, rages: bool) -> Self {
        Self { ends: Recent { at }, storms: Storms { rages, total } }
    }
}

/// Instants not older than the longest span anyone asks about, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Recent {
    at: VecDeque<Time>,
}

impl Recent {
    /// No threshold in use comes near; it bounds the memory when thresholds are off.
    const MOST: usize = 1024;

    fn add(&mut self, now: Time, keep: Duration) {
        while self.at.front().is_some_and(|at| now.since(*at) >= keep) || self.at.len() >= Self::MOST {
            self.at.pop_front();
        }
        self.at.push_back(now);
    }

    fn within(&self, now: Time, span: Duration) -> u32 {
        let count = self.at.iter().rev().take_while(|at| now.since(**at) < span).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The newest but `n`.
    fn last_but(&self, n: usize) -> Option<Time> {
        self.at.iter().rev().nth(n).copied()
    }
}

/// Counts the beginnings of storms: one that goes on is not a second one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Storms {
    rages: bool,
    total: u64,
}

impl Storms {
    fn look(&mut self, count: u32, threshold: u32) -> Option<u32> {
        let raged = self.rages;
        self.rages = threshold > 0 && count >= threshold;
        if raged || !self.rages {
            return None;
        }
        self.total += 1;
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u32) -> Time {
        Time::ZERO + SECOND * seconds
    }

    fn restarts_at(seconds: &[u32]) -> (RestartWindow, Option<Restarted>) {
        let mut window = RestartWindow::default();
        let last = seconds.iter().map(|second| window.record(at(*second), &RestartPolicy::default())).last();
        (window, last)
    }

    #[test]
    fn the_window_slides() {
        let policy = RestartPolicy::default();
        let (window, _) = restarts_at(&[0, 5, 10, 15, 20, 25, 28, 30, 59, 59]);
        assert_eq!(window.room_at(at(59), &policy), Some(at(60)), "full until the oldest is 60 s old");
        assert_eq!(window.room_at(at(60), &policy), None);
        assert_eq!(window.count(at(60), &policy), 9);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let (mut window, _) = restarts_at(&[0, 1, 2]);
        window.record(at(3600), &RestartPolicy::default());
        assert_eq!(window.starts.at.len(), 1);
    }

    #[test]
    fn many_restarts_are_worth_one_warning() {
        let (mut window, last) = restarts_at(&[0, 10, 20, 30, 40]);
        assert!(last.is_some_and(|last| !last.is_frequent));
        let sixth = window.record(at(50), &RestartPolicy::default());
        assert_eq!((sixth.restarts, sixth.is_frequent), (6, true));
        let seventh = window.record(at(51), &RestartPolicy::default());
        assert_eq!((seventh.restarts, seventh.is_frequent), (7, false), "said once");
    }

    #[test]
    fn ten_restarts_in_30_s_are_a_storm_and_it_begins_once() {
        let (mut window, last) = restarts_at(&[0, 1, 2, 3, 4, 5, 6, 7, 28, 29]);
        assert_eq!(last.and_then(|last| last.storm), Some(10));
        assert_eq!(window.record(at(29), &RestartPolicy::default()).storm, None, "it goes on");
        assert_eq!(window.storms(), 1);
        let (_, last) = restarts_at(&[0, 1, 2, 3, 4, 5, 6, 7, 28, 30]);
        assert_eq!(last.and_then(|last| last.storm), None, "the first is 30 s old");
    }

    #[test]
    fn a_long_stable_run_empties_it_but_the_storms_stay_counted() {
        let (mut window, _) = restarts_at(&[0; 10]);
        window.clear();
        assert_eq!((window.count(at(0), &RestartPolicy::default()), window.storms()), (0, 1));
        assert_eq!(window.room_at(at(0), &RestartPolicy::default()), None);
    }

    #[test]
    fn thresholds_of_zero_are_off() {
        let off = RestartPolicy {
            window_restarts: 0,
            window_warning: 0,
            storm_restarts: 0,
            oom_storm_ends: 0,
            ..RestartPolicy::default()
        };
        let mut window = RestartWindow::default();
        let mut ooms = OomWindow::default();
        for _ in 0..2000 {
            let restarted = window.record(at(0), &off);
            assert!(!restarted.is_frequent && restarted.storm.is_none());
            assert_eq!(ooms.record(at(0), &off), None);
        }
        assert_eq!(window.room_at(at(0), &off), None);
        assert_eq!(window.starts.at.len(), Recent::MOST);
    }

    #[test]
    fn five_out_of_memory_ends_in_60_s_are_a_storm() {
        let policy = RestartPolicy::default();
        let mut ooms = OomWindow::default();
        let storms: alloc::vec::Vec<_> = [0, 14, 28, 42, 59].map(|s| ooms.record(at(s), &policy)).into();
        assert_eq!(storms, [None, None, None, None, Some(5)]);
        let mut ooms = OomWindow::default();
        let storms: alloc::vec::Vec<_> = [0, 14, 28, 42, 60].map(|s| ooms.record(at(s), &policy)).into();
        assert_eq!(storms, [None; 5]);
    }

    #[test]
    fn a_storm_rages_from_its_first_restart_too_many_until_there_are_fewer() {
        let (window, _) = restarts_at(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(!window.rages());
        let (mut window, _) = restarts_at(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(window.rages());
        window.record(at(600), &RestartPolicy::default());
        assert!(!window.rages());
    }

    #[test]
    fn restarts_that_still_count_are_in_the_fingerprint() {
        let print = |window: &RestartWindow, now, policy: &RestartPolicy| {
            let mut to = Fingerprint::new(at(now));
            window.write_fingerprint(&mut to, policy);
            to.finish()
        };
        let policy = RestartPolicy::default();
        let (none, two, later) = (RestartWindow::default(), restarts_at(&[0, 20]).0, restarts_at(&[0, 21]).0);
        assert_ne!(print(&two, 22, &policy), print(&none, 22, &policy));
        assert_ne!(print(&two, 22, &policy), print(&later, 22, &policy));
        assert_eq!(print(&two, 500, &policy), print(&none, 500, &policy), "too old for both");
        // Between the spans of storms (30 s) and of the window (60 s).
        assert_ne!(print(&two, 60, &policy), print(&none, 60, &policy));
        let no_window = RestartPolicy { window_restarts: 0, ..policy.clone() };
        assert_eq!(print(&two, 60, &no_window), print(&none, 60, &no_window));
        assert_ne!(print(&two, 40, &no_window), print(&none, 40, &no_window));
        let no_storms = RestartPolicy { storm_restarts: 0, ..policy.clone() };
        assert_ne!(print(&two, 60, &no_storms), print(&none, 60, &no_storms));
        let neither = RestartPolicy { window_restarts: 0, storm_restarts: 0, ..policy };
        assert_eq!(print(&two, 22, &neither), print(&none, 22, &neither));
        let rages = RestartWindow::recall(VecDeque::new(), 0, true);
        assert_ne!(print(&rages, 22, &neither), print(&none, 22, &neither));
    }

    #[test]
    fn an_out_of_memory_storm_is_counted_once_and_is_known_again() {
        let policy = RestartPolicy::default();
        let mut window = OomWindow::default();
        assert_eq!((window.storms(), window.rages()), (0, false));
        let began = [0, 1, 2, 3, 4, 5].map(|n| window.record(at(n), &policy));
        assert_eq!(began, [None, None, None, None, Some(5), None]);
        assert_eq!((window.storms(), window.rages(), window.ends().count()), (1, true, 6));
        let known = OomWindow::recall(window.ends().collect(), window.storms(), window.rages());
        assert_eq!(known, window);
        window.record(at(600), &policy);
        assert_eq!((window.storms(), window.rages(), window.ends().count()), (1, false, 1));
    }
}
