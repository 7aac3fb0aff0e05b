//! S07: a pool is ready only after a healthy answer of this very engine to a probe that was sent after its spawn.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{
    Completion, Effect, EffectId, EngineRef, Event, EventKind, Input, PhaseName, PoolUid, PoolView,
    ProbeAnswer,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct ProvenReady {
    /// The newest spawn of each pool.
    spawned: BTreeMap<PoolUid, EngineRef>,
    /// Probes that were sent to the newest spawn of their pool, and not answered.
    probes: BTreeMap<EffectId, EngineRef>,
    /// The engine whose healthy answer this step is about.
    healthy: Option<EngineRef>,
    proven: BTreeSet<EngineRef>,
}

const NAME: &str = "S07: ready only after a healthy answer of this very engine";

impl Oracle for ProvenReady {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        self.healthy = None;
        if let Input::Resume(_) = input {
            self.probes.clear();
            // What it was proven by may have happened in the very step in which the supervisor died, or is
            // forgotten with the tail of its journal; that it is as it was written down is for J06.
            for pool in before.view.pools() {
                let Some(engine) = pool.engine else { continue };
                let engine = EngineRef { pool: pool.uid, incarnation: engine.incarnation };
                self.spawned.insert(pool.uid, engine);
                if pool.phase == PhaseName::Ready {
                    self.proven.insert(engine);
                }
            }
        }
        let Input::Completed { effect, result } = input else { return Ok(()) };
        if let Some(engine) = self.probes.remove(effect)
            && *result == Completion::Probed(ProbeAnswer::Healthy)
        {
            self.healthy = Some(engine);
            let process = before.processes.of(engine);
            let answered = process.is_some_and(|process| process.loaded_at <= before.now);
            return hold(answered, "S07: only what is loaded answers as healthy", || format!("{engine}"));
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::Spawn { engine, .. } = effect
            && let Some(before) = self.spawned.insert(engine.pool, *engine)
        {
            self.proven.remove(&before);
        }
        if let Effect::Probe { id, engine, .. } = effect {
            let is_newest = self.spawned.get(&engine.pool) == Some(engine);
            hold(is_newest, "S07: only the newest engine is probed", || format!("{engine}"))?;
            self.probes.insert(*id, *engine);
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        let EventKind::EngineReady { .. } = event.kind else { return Ok(()) };
        let (Some(pool), Some(incarnation)) = (event.pool, event.incarnation) else { return Ok(()) };
        let engine = EngineRef { pool, incarnation };
        self.proven.insert(engine);
        hold(self.healthy == Some(engine), NAME, || {
            format!("{engine} is ready; the answer was of {:?}", self.healthy)
        })
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        if pool.phase != PhaseName::Ready {
            return Ok(());
        }
        let engine = pool.engine.map(|engine| EngineRef { pool: pool.uid, incarnation: engine.incarnation });
        let proven = engine.is_some_and(|engine| self.proven.contains(&engine));
        hold(proven, NAME, || format!("pool {} is ready with {engine:?}", pool.name))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::forged::{Forged, POOL, engine};

    #[test]
    fn ready_without_an_answer_is_found() {
        let forged = Forged::new();
        let mut oracle = ProvenReady::default();
        let ready = forged.event(EventKind::EngineReady { took: Duration::ZERO });
        assert!(oracle.event(&ready, forged.observed()).is_err());
    }

    #[test]
    fn an_answer_of_the_engine_before_proves_nothing() {
        let forged = Forged::new();
        let mut oracle = ProvenReady::default();
        oracle.effect(&forged.spawn(1), forged.observed()).expect("a spawn");
        oracle.effect(&forged.probe(5, 1), forged.observed()).expect("a probe of the newest");
        oracle.effect(&forged.spawn(2), forged.observed()).expect("the next spawn");
        assert!(oracle.effect(&forged.probe(6, 1), forged.observed()).is_err(), "an old one is probed");
        oracle.healthy = Some(engine(1));
        let ready = forged.event_of(2, EventKind::EngineReady { took: Duration::ZERO });
        assert!(oracle.event(&ready, forged.observed()).is_err());
        assert_eq!(oracle.spawned.get(&POOL), Some(&engine(2)));
    }
}
