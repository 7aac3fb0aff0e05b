//! S32: a reload to what serves already touches nothing: it is over in the step that finds it out, and no process is
//! signalled or made for it.

use std::collections::BTreeMap;

use pool_manager_core::{
    Completion, Effect, EffectId, EngineSpec, Input, ModelStamp, OperationKind, PhaseName, PoolUid, PoolView,
    Preflight, Reload, ReloadTarget, SpecHash, Verb,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct SameModel {
    /// Which bytes a spec was ever staged with; `None`: different ones.
    stamps: BTreeMap<SpecHash, Option<ModelStamp>>,
    staging: BTreeMap<EffectId, SpecHash>,
    /// The reload that is asked in this step, if it is to the committed spec.
    asked: Option<PoolUid>,
    preflights: BTreeMap<EffectId, SpecHash>,
    /// The pool that serves already what its reload is to bring about, as this step finds out.
    same: Option<PoolUid>,
}

const NAME: &str = "S32: a reload to what serves already touches nothing";

impl Oracle for SameModel {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        (self.asked, self.same) = (None, None);
        if let Input::Resume(_) = input {
            self.staging.clear();
            self.preflights.clear();
        }
        if let Input::Command { pool, verb: Verb::Reload(reload), .. } = input {
            let same = before.view.pool(*pool).is_some_and(|pool| is_to_committed(reload, &pool));
            self.asked = Some(*pool).filter(|_| same);
        }
        let Input::Completed { effect, result } = input else { return Ok(()) };
        if let Completion::Staged(Ok(stamp)) = result
            && let Some(spec) = self.staging.remove(effect)
        {
            let known = self.stamps.entry(spec).or_insert(Some(*stamp));
            *known = known.filter(|known| known == stamp);
        }
        if let Completion::Preflighted(Ok(Preflight { stamp, .. })) = result
            && let Some(spec) = self.preflights.remove(effect)
            && let Some(known) = self.stamps.get(&spec).copied().flatten()
            && let Some(pool) = before.view.pool(effect.pool)
        {
            // One that is answered late was given up, and its reload with it.
            let waits = pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload);
            let serves = pool.phase == PhaseName::Ready && pool.spec.hash == spec && waits;
            let same = serves && stamp.is_none_or(|stamp| stamp == known);
            self.same = Some(effect.pool).filter(|_| same);
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::Stage { id, spec, .. } = effect {
            self.staging.insert(*id, *spec);
        }
        if let Effect::Preflight { id, pool, spec } = effect {
            // The newest alone is waited for.
            self.preflights.retain(|id, _| id.pool != *pool);
            if self.asked == Some(*pool) {
                self.preflights.insert(*id, *spec);
            }
        }
        let touches = matches!(effect, Effect::Signal { .. } | Effect::Spawn { .. } | Effect::Stage { .. });
        let is_of_same = self.same.is_some() && effect.pool() == self.same;
        hold(!(touches && is_of_same), NAME, || format!("{effect:?}"))
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        if self.same != Some(pool.uid) {
            return Ok(());
        }
        self.same = None;
        hold(pool.phase == PhaseName::Ready && pool.operation.is_none(), NAME, || {
            format!("pool {} is {} and runs {:?}", pool.name, pool.phase.label(), pool.operation)
        })
    }
}

fn is_to_committed(reload: &Reload, pool: &PoolView<'_>) -> bool {
    let target = match &reload.to {
        ReloadTarget::Spec(spec) => Some(spec),
        ReloadTarget::Back => pool.previous,
    };
    let is_same = |target: &EngineSpec| {
        target.hash == pool.spec.hash && target.catalog.digest == pool.spec.catalog.digest
    };
    target.is_some_and(is_same) && !reload.force
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::{Forged, POOL};
    use pool_manager_core::{Effect, Signal};

    #[test]
    fn a_reload_to_the_same_model_that_signals_or_drains_is_found() {
        let forged = Forged::new();
        let mut oracle = SameModel { same: Some(POOL), ..SameModel::default() };
        let signal = Effect::Signal { engine: crate::oracle::forged::engine(1), signal: Signal::Graceful };
        assert!(oracle.effect(&signal, forged.observed()).is_err());
        assert!(oracle.pool(&forged.pool(), forged.observed()).is_err(), "it is not ready any more");
        oracle.same = Some(POOL);
        let ready = PoolView { phase: PhaseName::Ready, ..forged.pool() };
        assert_eq!(oracle.pool(&ready, forged.observed()), Ok(()));
    }
}
