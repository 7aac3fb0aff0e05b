//! What goes wrong with starts and ends that are still to come. Faults file it, `world` takes it one by one, and
//! calm forgets it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pool_manager_core::{PoolUid, SpawnError, Time};

use crate::engine::Ending;

/// What goes wrong with one start of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BadStart {
    /// No process comes of it.
    pub(crate) refused: Option<SpawnError>,
    /// The answer takes this long.
    pub(crate) acknowledged_after: Option<Duration>,
    /// It loads for this long.
    pub(crate) loads_for: Option<Duration>,
    /// It dies this long after its spawn.
    pub(crate) dies: Option<(Duration, Ending)>,
}

impl BadStart {
    /// It dies so long after its spawn, and before it is loaded.
    pub(crate) fn dies_loading(after: Duration, ending: Ending) -> Self {
        let loads_for = Some(after + Duration::from_secs(1));
        Self { loads_for, dies: Some((after, ending)), ..Self::default() }
    }
}

/// What goes wrong with the news of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadExit {
    /// Nobody is told for this long.
    Late(Duration),
    /// It is told again, this long after the first time.
    Twice(Duration),
    /// It is told, but the process stays a zombie for this long.
    Zombie(Duration),
}

/// Why no process of any pool can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shortage {
    until: Time,
    /// Only beyond so many engines.
    beyond: usize,
}

/// Everything of one host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mishaps {
    starts: BTreeMap<PoolUid, VecDeque<BadStart>>,
    exits: BTreeMap<PoolUid, VecDeque<BadExit>>,
    /// Pools whose program is missing or may not be used, and until when.
    programs: BTreeMap<PoolUid, (SpawnError, Time)>,
    shortage: Option<Shortage>,
}

/// More are not remembered of one pool: no run has use for them.
const MOST: usize = 32;

impl Mishaps {
    /// The next start of a pool for which nothing is filed yet goes like this.
    pub(crate) fn file_start(&mut self, pool: PoolUid, start: BadStart) {
        let starts = self.starts.entry(pool).or_default();
        if starts.len() < MOST {
            starts.push_back(start);
        }
    }

    /// The next end of a pool's engine for which nothing is filed yet is told like this.
    pub(crate) fn file_exit(&mut self, pool: PoolUid, exit: BadExit) {
        let exits = self.exits.entry(pool).or_default();
        if exits.len() < MOST {
            exits.push_back(exit);
        }
    }

    /// A pool's program cannot be executed until then.
    pub(crate) fn spoil_program(&mut self, pool: PoolUid, error: SpawnError, until: Time) {
        self.programs.insert(pool, (error, until));
    }

    /// Until then no engine can be made where `beyond` others are.
    pub(crate) const fn run_short(&mut self, beyond: usize, until: Time) {
        self.shortage = Some(Shortage { until, beyond });
    }

    /// How the start of a pool goes that begins now beside so many engines.
    pub(crate) fn next_start(&mut self, pool: PoolUid, engines: usize, now: Time) -> BadStart {
        let refused = |error| BadStart { refused: Some(error), ..BadStart::default() };
        if let Some((error, _)) = self.programs.get(&pool).filter(|(_, until)| now < *until) {
            return refused(*error);
        }
        if self.shortage.is_some_and(|shortage| now < shortage.until && engines >= shortage.beyond) {
            return refused(SpawnError::NoResources);
        }
        self.starts.get_mut(&pool).and_then(VecDeque::pop_front).unwrap_or_default()
    }

    /// How the end of a pool's engine is told.
    pub(crate) fn next_exit(&mut self, pool: PoolUid) -> Option<BadExit> {
        self.exits.get_mut(&pool).and_then(VecDeque::pop_front)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: PoolUid = PoolUid(1);

    fn refused(start: &BadStart) -> Option<SpawnError> {
        start.refused
    }

    #[test]
    fn starts_are_taken_one_by_one_and_only_by_their_pool() {
        let mut mishaps = Mishaps::default();
        for error in [SpawnError::Denied, SpawnError::NotFound] {
            mishaps.file_start(POOL, BadStart { refused: Some(error), ..BadStart::default() });
        }
        assert_eq!(mishaps.next_start(PoolUid(2), 0, Time::ZERO), BadStart::default());
        assert_eq!(refused(&mishaps.next_start(POOL, 0, Time::ZERO)), Some(SpawnError::Denied));
        assert_eq!(refused(&mishaps.next_start(POOL, 0, Time::ZERO)), Some(SpawnError::NotFound));
        assert_eq!(mishaps.next_start(POOL, 0, Time::ZERO), BadStart::default());
    }

    #[test]
    fn a_shortage_is_for_those_beyond_and_passes() {
        let mut mishaps = Mishaps::default();
        let until = Time::ZERO + Duration::from_secs(1);
        mishaps.run_short(2, until);
        assert_eq!(refused(&mishaps.next_start(POOL, 1, Time::ZERO)), None);
        assert_eq!(refused(&mishaps.next_start(POOL, 2, Time::ZERO)), Some(SpawnError::NoResources));
        assert_eq!(refused(&mishaps.next_start(POOL, 2, until)), None);
    }
}
