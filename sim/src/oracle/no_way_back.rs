//! S33: the committed spec changes only to what the running reload was asked for, and back only by a reload that says
//! so; and only one of the two is ever started.

use std::collections::BTreeMap;

use pool_manager_core::{
    Answer, CommandId, Effect, Input, OperationId, OperationKind, PoolUid, PoolView, ReloadTarget, SpecHash,
    Verb, View,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct NoWayBack {
    asked: Option<(CommandId, PoolUid, SpecHash)>,
    /// What was last asked of each pool in a step in which the supervisor died: it may yet turn out to be accepted, by
    /// a journal that another one could not read.
    unheard: BTreeMap<PoolUid, SpecHash>,
    /// What each reload of a pool was to bring about: an old one may go on where the tail of a journal was lost.
    targets: BTreeMap<(PoolUid, OperationId), SpecHash>,
    committed: BTreeMap<PoolUid, SpecHash>,
    /// The reload that ran before this step.
    running: BTreeMap<PoolUid, OperationId>,
}

impl Oracle for NoWayBack {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        let asked = self.asked.take();
        if let Input::Resume(_) = input {
            self.unheard.extend(asked.map(|(_, pool, target)| (pool, target)));
            self.resumed(before.view);
        }
        if let Input::Command { command, pool, verb: Verb::Reload(reload), .. } = input {
            let previous = || before.view.pool(*pool).and_then(|pool| pool.previous).map(|spec| spec.hash);
            let target = match &reload.to {
                ReloadTarget::Spec(spec) => Some(spec.hash),
                ReloadTarget::Back => previous(),
            };
            self.asked = target.map(|target| (*command, *pool, target));
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::Reply { command, answer } = effect
            && let Some((asked, pool, target)) = self.asked
            && asked == *command
            && let Answer::Accepted { operation } = **answer
        {
            self.targets.insert((pool, operation), target);
        }
        let Effect::Spawn { engine, spec, .. } = effect else { return Ok(()) };
        let Some(pool) = observed.view.pool(engine.pool) else { return Ok(()) };
        let target = pool.operation.and_then(|operation| self.target(pool.uid, operation.id));
        let holds = *spec == pool.spec.hash || Some(*spec) == target;
        hold(holds, "S33: only the committed spec, or the one a reload tries, is started", || {
            format!("{engine} is spawned with {spec:?}; committed {:?}, tried {target:?}", pool.spec.hash)
        })
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let ran = self.running.get(&pool.uid).copied();
        match pool.operation {
            Some(operation) => self.running.insert(pool.uid, operation.id),
            None => self.running.remove(&pool.uid),
        };
        let hash = pool.spec.hash;
        let Some(before) = self.committed.insert(pool.uid, hash) else { return Ok(()) };
        if before == hash {
            return Ok(());
        }
        let target = ran.and_then(|ran| self.target(pool.uid, ran));
        hold(target == Some(hash), "S33: only what a reload was asked for is committed", || {
            format!("pool {} goes from {before:?} to {hash:?}; asked {target:?}", pool.name)
        })?;
        let previous = pool.previous.map(|spec| spec.hash);
        hold(previous == Some(before), "S33: what ran before is what a reload back goes to", || {
            format!("pool {} goes from {before:?} to {hash:?}, and back to {previous:?}", pool.name)
        })
    }
}

impl NoWayBack {
    /// What was accepted or committed in the step in which the supervisor died was shown to nobody, and what was in the
    /// lost tail of a journal did not happen. That it is as it was written down is for J06.
    fn resumed(&mut self, before: View<'_>) {
        self.committed.retain(|uid, _| before.pool(*uid).is_some());
        for pool in before.pools() {
            self.committed.insert(pool.uid, pool.spec.hash);
            let Some(operation) = pool.operation else { continue };
            self.running.insert(pool.uid, operation.id);
            if operation.kind == OperationKind::Reload
                // It is not the one that was refused because this one runs.
                && self.target(pool.uid, operation.id).is_none()
                && let Some(target) = self.unheard.get(&pool.uid)
            {
                self.targets.insert((pool.uid, operation.id), *target);
            }
        }
    }

    fn target(&self, pool: PoolUid, operation: OperationId) -> Option<SpecHash> {
        self.targets.get(&(pool, operation)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::{Forged, POOL};
    use pool_manager_core::EngineSpec;

    #[test]
    fn a_commit_and_a_start_that_nobody_asked_for_are_found() {
        let forged = Forged::new();
        let mut oracle = NoWayBack::default();
        let pool = forged.pool();
        oracle.pool(&pool, forged.observed()).expect("the first look");
        let other = EngineSpec { hash: SpecHash(99), ..pool.spec.clone() };
        let committed = PoolView { spec: &other, previous: Some(pool.spec), ..pool.clone() };
        assert!(oracle.pool(&committed, forged.observed()).is_err());
        oracle.committed.insert(POOL, pool.spec.hash);
        oracle.running.insert(POOL, OperationId(7));
        oracle.targets.insert((POOL, OperationId(7)), SpecHash(99));
        assert_eq!(oracle.pool(&committed, forged.observed()), Ok(()), "asked for");
        assert!(oracle.effect(&forged.spawn_of(1, SpecHash(98)), forged.observed()).is_err());
    }
}
