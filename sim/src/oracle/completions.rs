//! W02: every effect that is completed has an id of its own, rising per pool, and every completion is of an
//! effect that was given and not completed yet (the world completes each once; this is the check). A staging
//! that was cancelled may still be completed, once.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{Effect, EffectId, Input, PoolUid};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Completions {
    last: BTreeMap<PoolUid, u64>,
    open: BTreeSet<EffectId>,
    cancelled: BTreeSet<EffectId>,
}

impl Oracle for Completions {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            // The executors died with the supervisor, so no old answer can meet a new effect of the same id.
            *self = Self::default();
        }
        if let Input::Completed { effect, .. } = input {
            let was_open = self.open.remove(effect) || self.cancelled.remove(effect);
            return hold(was_open, "W02: an effect is completed exactly once", || {
                format!("{effect:?} was not open")
            });
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        let id = match effect {
            Effect::CheckRelease { id, .. }
            | Effect::CollectEvidence { id, .. }
            | Effect::Preflight { id, .. }
            | Effect::Probe { id, .. }
            | Effect::RemoveFile { id, .. }
            | Effect::Spawn { id, .. }
            | Effect::Stage { id, .. }
            | Effect::WriteFile { id, .. } => *id,
            Effect::CancelStage { id } => {
                let was_open = self.open.remove(id);
                self.cancelled.insert(*id);
                return hold(was_open, "W02: only what is under way is cancelled", || format!("{id:?}"));
            }
            Effect::Exit | Effect::Reply { .. } | Effect::Signal { .. } => return Ok(()),
        };
        let last = self.last.insert(id.pool, id.sequence).unwrap_or(0);
        self.open.insert(id);
        hold(id.sequence > last, "W02: effect ids rise", || format!("{id:?} came after {last}"))
    }
}
