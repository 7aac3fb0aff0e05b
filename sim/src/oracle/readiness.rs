//! S01: ready ⇔ phase Ready and not suspect, with an engine that was spawned and whose end was not told yet; a
//! pool that is not ready grants nothing.

use pool_manager_core::{Answer, Effect, EngineRef, PhaseName, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Readiness;

impl Oracle for Readiness {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Reply { answer, .. } = effect else { return Ok(()) };
        let Answer::Granted { lease, .. } = **answer else { return Ok(()) };
        let pool = observed.view.pool(lease.engine.pool);
        let serves = pool.is_some_and(|pool| {
            pool.health.ready
                && pool.engine.is_some_and(|engine| engine.incarnation == lease.engine.incarnation)
        });
        hold(serves, "S01: leases are granted by the ready engine only", || format!("lease {lease}"))
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let ready = pool.phase == PhaseName::Ready;
        let serves = ready && !pool.suspect;
        hold(pool.health.ready == serves, "S01: ready exactly in phase Ready, unless suspect", || {
            format!("pool {} is {} with {:?}", pool.name, pool.phase.label(), pool.health)
        })?;
        hold(pool.draining == (pool.phase == PhaseName::Draining), "S01: the draining flag", || {
            format!("pool {}", pool.name)
        })?;
        let runs = || {
            let incarnation = pool.engine.map(|engine| engine.incarnation)?;
            observed.processes.of(EngineRef { pool: pool.uid, incarnation })
        };
        let holds = !ready || runs().is_some_and(|process| !process.reaped);
        hold(holds, "S01: what is ready runs", || format!("pool {}", pool.name))
    }
}
