//! S20: an engine is made only in the step that found its own ports and devices free.

use std::collections::BTreeMap;

use pool_manager_core::{Completion, Effect, EffectId, Input, PoolUid, ReleaseAnswer, SpecHash};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct ReleaseFirst {
    asked: BTreeMap<EffectId, SpecHash>,
    /// What this step found free.
    free: Option<(PoolUid, SpecHash)>,
}

impl Oracle for ReleaseFirst {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        self.free = None;
        if let Input::Resume(_) = input {
            self.asked.clear();
        }
        if let Input::Completed { effect, result } = input
            && let Some(spec) = self.asked.remove(effect)
            && *result == Completion::Released(ReleaseAnswer::Free)
        {
            self.free = Some((effect.pool, spec));
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::CheckRelease { id, spec } = effect {
            self.asked.insert(*id, *spec);
        }
        let Effect::Spawn { engine, spec, .. } = effect else { return Ok(()) };
        let free = self.free == Some((engine.pool, *spec));
        hold(free, "S20: nothing is spawned before its ports and devices are free", || {
            format!("{engine} with {spec:?}; free is {:?}", self.free)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn a_spawn_that_nobody_checked_for_is_found() {
        let forged = Forged::new();
        let mut oracle = ReleaseFirst::default();
        assert!(oracle.effect(&forged.spawn(1), forged.observed()).is_err());
        oracle.effect(&forged.check_release(4), forged.observed()).expect("a check");
        oracle.input(&forged.released(4, ReleaseAnswer::Free), forged.observed()).expect("its answer");
        assert_eq!(oracle.effect(&forged.spawn(1), forged.observed()), Ok(()));
        oracle.input(&Input::Timer, forged.observed()).expect("another step");
        assert!(oracle.effect(&forged.spawn(2), forged.observed()).is_err(), "that was another step");
    }
}
