//! Deadlines: a fixed table per pool, and an index over pools, so that nothing is scanned.
//!
//! The pool arms and disarms; the host keeps the index and fires one due deadline per timer input,
//! in (time, pool, kind) order.

use alloc::collections::BTreeSet;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::id::PoolUid;
use crate::time::Time;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Due {
    /// A circuit was open long enough.
    CircuitHalfOpen,
    /// The drain's patience ends.
    DrainDeadline,
    /// A gate may open: the backoff ends, or the release is checked again.
    GateOpens,
    /// The engine had its time after TERM.
    KillGrace,
    /// The earliest lease expires.
    LeaseExpiry,
    /// The next probe is to be sent.
    ProbeSend,
    /// The oldest waiting lease ask has waited long enough.
    QueueWait,
    /// The cause of a hold is looked at again.
    Recheck,
    /// The restart count goes back to 0.
    RestartCountReset,
    /// The failure count goes back to 0.
    Stable,
    /// The engine had its time to become ready.
    StartTimeout,
    /// The engine had its time after KILL.
    StuckWait,
    /// A suspect engine had its time to fail.
    SuspectOver,
    /// A trial was stable: the circuits close.
    TrialOver,
    /// An effect's answer is overdue: evidence.
    EvidenceAnswer,
    /// An effect's answer is overdue: the handoff file.
    HandoffFileAnswer,
    /// An effect's answer is overdue: the PID file.
    PidFileAnswer,
    /// An effect's answer is overdue: the preflight of a reload.
    PreflightAnswer,
    /// An effect's answer is overdue: a probe.
    ProbeAnswer,
    /// An effect's answer is overdue: the release check.
    ReleaseAnswer,
    /// An effect's answer is overdue: the spawn.
    SpawnAnswer,
    /// An effect's answer is overdue: staging.
    StageAnswer,
    /// An effect's answer is overdue: staging of a reload's model.
    StageNextAnswer,
}

impl Due {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::CircuitHalfOpen,
        Self::DrainDeadline,
        Self::GateOpens,
        Self::KillGrace,
        Self::LeaseExpiry,
        Self::ProbeSend,
        Self::QueueWait,
        Self::Recheck,
        Self::RestartCountReset,
        Self::Stable,
        Self::StartTimeout,
        Self::StuckWait,
        Self::SuspectOver,
        Self::TrialOver,
        Self::EvidenceAnswer,
        Self::HandoffFileAnswer,
        Self::PidFileAnswer,
        Self::PreflightAnswer,
        Self::ProbeAnswer,
        Self::ReleaseAnswer,
        Self::SpawnAnswer,
        Self::StageAnswer,
        Self::StageNextAnswer,
    ];

    /// Whether it is about an engine, which does not run while the machine is suspended.
    const fn is_engine_side(self) -> bool {
        match self {
            Self::CircuitHalfOpen
            | Self::DrainDeadline
            | Self::GateOpens
            | Self::LeaseExpiry
            | Self::QueueWait
            | Self::Recheck => false,
            Self::KillGrace
            | Self::ProbeSend
            | Self::RestartCountReset
            | Self::Stable
            | Self::StartTimeout
            | Self::StuckWait
            | Self::SuspectOver
            | Self::TrialOver
            | Self::EvidenceAnswer
            | Self::HandoffFileAnswer
            | Self::PidFileAnswer
            | Self::PreflightAnswer
            | Self::ProbeAnswer
            | Self::ReleaseAnswer
            | Self::SpawnAnswer
            | Self::StageAnswer
            | Self::StageNextAnswer => true,
        }
    }

    /// A short phrase for people: `drain deadline`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::CircuitHalfOpen => "circuit half-open",
            Self::DrainDeadline => "drain deadline",
            Self::GateOpens => "next start attempt",
            Self::KillGrace => "KILL",
            Self::LeaseExpiry => "lease expiry",
            Self::ProbeSend => "next probe",
            Self::QueueWait => "queue wait ends",
            Self::Recheck => "hold is looked at again",
            Self::RestartCountReset => "restart count reset",
            Self::Stable => "failure count reset",
            Self::StartTimeout => "start time-out",
            Self::StuckWait => "declared stuck",
            Self::SuspectOver => "suspicion ends",
            Self::TrialOver => "circuits close",
            Self::EvidenceAnswer => "evidence overdue",
            Self::HandoffFileAnswer => "handoff file overdue",
            Self::PidFileAnswer => "PID file overdue",
            Self::PreflightAnswer => "preflight overdue",
            Self::ProbeAnswer => "probe overdue",
            Self::ReleaseAnswer => "release check overdue",
            Self::SpawnAnswer => "spawn overdue",
            Self::StageAnswer => "staging overdue",
            Self::StageNextAnswer => "staging of the next model overdue",
        }
    }
}

/// One pool's deadlines: at most one of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deadlines {
    at: [Time; Due::ALL.len()],
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { at: [Time::NEVER; Due::ALL.len()] }
    }
}

impl Deadlines {
    pub(crate) fn arm(&mut self, due: Due, at: Time) {
        if let Some(slot) = self.at.get_mut(due as usize) {
            *slot = at;
        }
    }

    pub(crate) fn disarm(&mut self, due: Due) {
        self.arm(due, Time::NEVER);
    }

    /// The instant a kind is armed for; `None` when it is not.
    pub(crate) fn of(&self, due: Due) -> Option<Time> {
        self.at.get(due as usize).copied().filter(|at| *at != Time::NEVER)
    }

    /// Moves the deadlines on engines, and on answers about them, later. Promises to people stay.
    pub(crate) fn shift_engine_side(&mut self, by: Duration) {
        for due in Due::ALL.into_iter().filter(|due| due.is_engine_side()) {
            if let Some(at) = self.of(due) {
                self.arm(due, at + by);
            }
        }
    }

    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint) {
        let Self { at } = self;
        at.iter().for_each(|at| to.deadline(*at));
    }

    /// The earliest, in (time, kind) order.
    pub(crate) fn earliest(&self) -> Option<(Time, Due)> {
        // Asked for at every input and by every reader, so: one pass for the time, one for the kind.
        let at = self.at.iter().copied().min().filter(|at| *at != Time::NEVER)?;
        let place = self.at.iter().position(|armed| *armed == at)?;
        Due::ALL.get(place).map(|due| (at, *due))
    }
}

/// The earliest deadline of every pool that has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadlineIndex {
    by_time: BTreeSet<(Time, PoolUid)>,
}

impl DeadlineIndex {
    /// Moves a pool from the instant it was filed under to the one it has now.
    pub(crate) fn refile(&mut self, pool: PoolUid, before: Option<Time>, after: Option<Time>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.by_time.remove(&(at, pool));
        }
        if let Some(at) = after {
            self.by_time.insert((at, pool));
        }
    }

    pub(crate) fn earliest(&self) -> Option<(Time, PoolUid)> {
        self.by_time.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_place_for_every_kind() {
        for (place, due) in Due::ALL.into_iter().enumerate() {
            assert_eq!(due as usize, place);
        }
    }

    #[test]
    fn equal_instants_come_in_kind_order() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.earliest(), None);
        deadlines.arm(Due::StartTimeout, Time::from_nanos(5));
        deadlines.arm(Due::DrainDeadline, Time::from_nanos(5));
        assert_eq!(deadlines.earliest(), Some((Time::from_nanos(5), Due::DrainDeadline)));
        deadlines.disarm(Due::DrainDeadline);
        assert_eq!(deadlines.earliest(), Some((Time::from_nanos(5), Due::StartTimeout)));
    }

    #[test]
    fn the_index_follows_a_pool() {
        let (pool, at) = (PoolUid(1), Time::from_nanos(9));
        let mut index = DeadlineIndex::default();
        index.refile(pool, None, Some(at));
        assert_eq!(index.earliest(), Some((at, pool)));
        index.refile(pool, Some(at), None);
        assert_eq!(index.earliest(), None);
    }
}
