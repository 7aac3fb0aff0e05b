//! The way between the supervisor and its engines in the simulated host: what becomes of probes on it. An engine
//! that is well does not help against a way that is not.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{PoolUid, ProbeAnswer, Time};

/// What is wrong with the way to an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Every probe that is sent gets this answer, whatever the engine would say.
    Answers(ProbeAnswer),
    /// Every answer is that late. One that is later than the probe's time-out is none.
    Delays(Duration),
    /// Every answer is in time, and the news of it that late: no limit but the core's own covers it.
    Holds(Duration),
    /// Connections are open and dead: what is under way is never answered, nor what is sent.
    Dead,
    /// Connections are torn: what is under way is answered so, and what is sent.
    Torn(ProbeAnswer),
    /// One probe in so many is lost.
    Loses(u32),
}

/// The ways to all engines of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    troubles: BTreeMap<PoolUid, (Trouble, Time)>,
}

/// What becomes of one probe on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The engine's answer counts unless there is one here.
    pub(crate) answer: Option<ProbeAnswer>,
    /// From the engine's answer to its arrival.
    pub(crate) delay: Duration,
    /// From its arrival to the news of it.
    pub(crate) holds: Duration,
}

impl Network {
    /// The way to a pool's engines is like this until then; the last trouble counts.
    pub(crate) fn trouble(&mut self, pool: PoolUid, trouble: Trouble, until: Time) {
        self.troubles.insert(pool, (trouble, until));
    }

    /// What becomes of a probe that is sent now. `lost`: draws whether one in so many is.
    pub(crate) fn sent(&self, pool: PoolUid, now: Time, lost: impl FnOnce(u32) -> bool) -> Fate {
        match self.of(pool, now) {
            None => Fate::default(),
            Some(Trouble::Answers(answer) | Trouble::Torn(answer)) => Fate::answered(answer),
            Some(Trouble::Delays(delay)) => Fate { delay, ..Fate::default() },
            Some(Trouble::Holds(holds)) => Fate { holds, ..Fate::default() },
            Some(Trouble::Dead) => Fate::answered(ProbeAnswer::TimedOut),
            Some(Trouble::Loses(one_in)) if lost(one_in) => Fate::answered(ProbeAnswer::TimedOut),
            Some(Trouble::Loses(_)) => Fate::default(),
        }
    }

    /// What becomes of one that is about to be answered.
    pub(crate) fn under_way(&self, pool: PoolUid, now: Time) -> Option<ProbeAnswer> {
        match self.of(pool, now)? {
            Trouble::Dead => Some(ProbeAnswer::TimedOut),
            Trouble::Torn(answer) => Some(answer),
            Trouble::Answers(_) | Trouble::Delays(_) | Trouble::Holds(_) | Trouble::Loses(_) => None,
        }
    }

    /// Every way is clear again.
    pub(crate) fn calm(&mut self) {
        self.troubles.clear();
    }

    fn of(&self, pool: PoolUid, now: Time) -> Option<Trouble> {
        self.troubles.get(&pool).filter(|(_, until)| *until > now).map(|(trouble, _)| *trouble)
    }
}

impl Fate {
    fn answered(answer: ProbeAnswer) -> Self {
        Self { answer: Some(answer), ..Self::default() }
    }
}
