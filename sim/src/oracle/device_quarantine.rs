//! S21: nothing is spawned on a GPU that an engine of another pool holds though it was killed. Both engines would
//! fail, or hang.

use std::collections::BTreeMap;

use pool_manager_core::{
    Effect, EngineRef, EngineSpec, Event, EventKind, HoldReason, Input, PoolUid, PoolView, ReloadTarget,
    SpecHash, Verb,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct DeviceQuarantine {
    /// The GPUs of every spec the host was ever told of.
    masks: BTreeMap<SpecHash, Vec<String>>,
    /// The specs of engines that outlived KILL.
    stuck: BTreeMap<PoolUid, SpecHash>,
}

impl Oracle for DeviceQuarantine {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Register { spec, .. } = input {
            self.learn(&spec.engine);
        }
        if let Input::Command { verb: Verb::Reload(reload), .. } = input
            && let ReloadTarget::Spec(spec) = &reload.to
        {
            self.learn(spec);
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, spec, .. } = effect else { return Ok(()) };
        let Some(mask) = self.masks.get(spec) else { return Ok(()) };
        let others = self.stuck.iter().filter(|(pool, _)| **pool != engine.pool);
        let by = others.into_iter().find(|(_, stuck)| {
            self.masks.get(stuck).is_some_and(|held| held.iter().any(|device| mask.contains(device)))
        });
        hold(by.is_none(), "S21: nothing is spawned on a GPU that a stuck engine holds", || {
            format!("{engine} is spawned on {mask:?}; {by:?} holds one of them")
        })
    }

    fn event(&mut self, event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        if let (EventKind::Deregistered, Some(pool)) = (&event.kind, event.pool) {
            self.stuck.remove(&pool);
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        self.stuck.remove(&pool.uid);
        if pool.held == Some(HoldReason::Stuck)
            && let Some(engine) = pool.engine
            && let Some(process) =
                observed.processes.of(EngineRef { pool: pool.uid, incarnation: engine.incarnation })
        {
            self.stuck.insert(pool.uid, process.spec);
        }
        Ok(())
    }
}

impl DeviceQuarantine {
    fn learn(&mut self, spec: &EngineSpec) {
        self.masks.entry(spec.hash).or_insert_with(|| spec.device_mask.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::{Forged, SPEC};

    #[test]
    fn a_spawn_beside_a_stuck_engine_on_the_same_gpu_is_found() {
        let forged = Forged::new();
        let mut oracle = DeviceQuarantine::default();
        oracle.learn(forged.pool().spec);
        oracle.learn(&EngineSpec { hash: SpecHash(99), ..forged.pool().spec.clone() });
        assert_eq!(oracle.effect(&forged.spawn(1), forged.observed()), Ok(()));
        oracle.stuck.insert(PoolUid(2), SpecHash(99));
        assert!(oracle.effect(&forged.spawn(1), forged.observed()).is_err());
        assert!(oracle.masks.contains_key(&SPEC));
    }
}
