//! W01: an operation ends at the latest when its pool comes to rest; nobody waits for what will not come. A
//! reload prepares beside a pool that rests: its own deadline, for the answer of the preflight or of staging,
//! says that it does.

use pool_manager_core::{Due, OperationKind, PhaseName, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct AtRest;

impl Oracle for AtRest {
    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let rests = matches!(pool.phase, PhaseName::Stopped | PhaseName::Held);
        let holds = !rests || pool.operation.is_none() || prepares_reload(pool);
        hold(holds, "W01: a pool at rest runs no operation", || {
            format!("pool {} is {} and runs {:?}", pool.name, pool.phase.label(), pool.operation)
        })
    }
}

fn prepares_reload(pool: &PoolView<'_>) -> bool {
    let reloads = pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload);
    reloads && pool.next.is_some_and(|(_, due)| due != Due::LeaseExpiry)
}
