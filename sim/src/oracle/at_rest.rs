//! W01: an operation ends at the latest when its pool comes to rest; nobody waits for what will not come. A
//! reload alone prepares while its pool is at rest: then something is awaited.

use pool_manager_core::{OperationKind, PhaseName};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug)]
pub(super) struct AtRest;

impl Oracle for AtRest {
    fn step(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
        for pool in observed.view.pools() {
            let rests = matches!(pool.phase, PhaseName::Stopped | PhaseName::Held);
            let kind = pool.operation.map(|operation| operation.kind);
            let prepares = kind == Some(OperationKind::Reload) && pool.next.is_some();
            hold(!rests || kind.is_none() || prepares, "W01: a pool at rest runs no operation", || {
                format!("pool {} is {} and runs {:?}", pool.name, pool.phase.label(), pool.operation)
            })?;
        }
        Ok(())
    }
}
