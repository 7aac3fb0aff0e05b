//! W01: an operation ends at the latest when its pool comes to rest; nobody waits for what will not come. A
//! reload prepares beside a pool that rests, as long as it waits for its preflight or for staging.

use std::collections::BTreeMap;

use pool_manager_core::{Effect, EffectId, OperationKind, PhaseName, PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct AtRest {
    /// What was asked for a reload of each pool, and may be waited for.
    asked: BTreeMap<PoolUid, Vec<EffectId>>,
}

impl Oracle for AtRest {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::Preflight { id, pool, .. } | Effect::Stage { id, pool, .. } = effect
            && observed.view.pool(*pool).is_some_and(|pool| reloads(&pool))
        {
            let asked = self.asked.entry(*pool).or_default();
            asked.retain(|ask| observed.view.awaits(*ask));
            asked.push(*id);
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let rests = matches!(pool.phase, PhaseName::Stopped | PhaseName::Held);
        let holds = !rests || pool.operation.is_none() || self.prepares_reload(pool, observed);
        hold(holds, "W01: a pool at rest runs no operation", || {
            format!("pool {} is {} and runs {:?}", pool.name, pool.phase.label(), pool.operation)
        })
    }
}

impl AtRest {
    fn prepares_reload(&self, pool: &PoolView<'_>, observed: Observed<'_>) -> bool {
        let asked = self.asked.get(&pool.uid);
        reloads(pool) && asked.is_some_and(|asked| asked.iter().any(|ask| observed.view.awaits(*ask)))
    }
}

fn reloads(pool: &PoolView<'_>) -> bool {
    pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload)
}
