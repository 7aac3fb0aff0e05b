//! Errands: the effects a pool has asked for and not heard of yet. At most one of each kind, so an
//! answer that fits none of them is stale, and is dropped in one place.

use serde::{Deserialize, Serialize};

use crate::deadline::Due;
use crate::fingerprint::Fingerprint;
use crate::id::{EffectId, PoolUid};

/// The kinds of effect that are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Errand {
    Evidence,
    HandoffFile,
    PidFile,
    /// What a reload would need.
    Preflight,
    Probe,
    Release,
    Spawn,
    /// The committed spec's model.
    Stage,
    /// A reload's model.
    StageNext,
}

impl Errand {
    pub(crate) const ALL: [Self; 9] = [
        Self::Evidence,
        Self::HandoffFile,
        Self::PidFile,
        Self::Preflight,
        Self::Probe,
        Self::Release,
        Self::Spawn,
        Self::Stage,
        Self::StageNext,
    ];

    /// The deadline that closes it when no answer comes.
    pub(crate) const fn due(self) -> Due {
        match self {
            Self::Evidence => Due::EvidenceAnswer,
            Self::HandoffFile => Due::HandoffFileAnswer,
            Self::PidFile => Due::PidFileAnswer,
            Self::Preflight => Due::PreflightAnswer,
            Self::Probe => Due::ProbeAnswer,
            Self::Release => Due::ReleaseAnswer,
            Self::Spawn => Due::SpawnAnswer,
            Self::Stage => Due::StageAnswer,
            Self::StageNext => Due::StageNextAnswer,
        }
    }
}

/// The open errands of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Errands {
    issued: u64,
    /// The sequence of the open errand of each kind; 0: none.
    open: [u64; Errand::ALL.len()],
}

impl Errands {
    /// Opens an errand and returns its sequence.
    pub(crate) fn open(&mut self, errand: Errand) -> u64 {
        debug_assert!(!self.is_open(errand), "E01: two errands of one kind are open: {errand:?}");
        self.issued += 1;
        if let Some(place) = self.open.get_mut(errand as usize) {
            *place = self.issued;
        }
        self.issued
    }

    /// Closes the errand an answer belongs to; `None`: the answer is stale.
    pub(crate) fn answered(&mut self, sequence: u64) -> Option<Errand> {
        let errand = Errand::ALL.into_iter().find(|errand| self.sequence(*errand) == Some(sequence))?;
        self.close(errand);
        Some(errand)
    }

    /// Closes an errand nobody waits for any more; returns the sequence it had.
    pub(crate) fn close(&mut self, errand: Errand) -> Option<u64> {
        let sequence = self.sequence(errand)?;
        if let Some(place) = self.open.get_mut(errand as usize) {
            *place = 0;
        }
        Some(sequence)
    }

    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint, pool: PoolUid) {
        let Self { issued: _, open } = self;
        for sequence in open {
            to.add(&(*sequence != 0));
            if *sequence != 0 {
                to.effect(EffectId { pool, sequence: *sequence });
            }
        }
    }

    pub(crate) fn is_open(&self, errand: Errand) -> bool {
        self.sequence(errand).is_some()
    }

    /// The sequence of an open errand.
    pub(crate) fn sequence(&self, errand: Errand) -> Option<u64> {
        self.open.get(errand as usize).copied().filter(|sequence| *sequence != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_place_for_every_kind() {
        for (place, errand) in Errand::ALL.into_iter().enumerate() {
            assert_eq!(errand as usize, place);
        }
    }

    #[test]
    fn an_answer_closes_its_errand_once() {
        let mut errands = Errands::default();
        let spawn = errands.open(Errand::Spawn);
        let probe = errands.open(Errand::Probe);
        assert_eq!(errands.answered(probe), Some(Errand::Probe));
        assert_eq!(errands.answered(probe), None);
        assert_eq!(errands.close(Errand::Spawn), Some(spawn));
        assert_eq!(errands.answered(spawn), None, "closed before its answer");
    }
}
