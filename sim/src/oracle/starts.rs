//! Which starts are automatic, as events tell it: made by policy after an end nobody asked for. For the oracles
//! that count them.

use std::collections::BTreeSet;

use pool_manager_core::{Event, EventKind, OperationKind, PhaseName, PoolUid, PoolView};

/// The pools whose next start is automatic.
#[derive(Debug, Default)]
pub(super) struct Starts {
    automatic: BTreeSet<PoolUid>,
}

impl Starts {
    pub(super) fn event(&mut self, event: &Event) {
        let Some(pool) = event.pool else { return };
        let begins = match event.kind {
            EventKind::RestartScheduled { .. } | EventKind::RestartPrevented { .. } => Some(true),
            // A hold was lifted: what was to come before it comes now.
            EventKind::PhaseChanged { from: PhaseName::Held, to: PhaseName::Waiting } => Some(true),
            EventKind::PhaseChanged { to: PhaseName::Staging, .. } | EventKind::RestartAllowed => Some(false),
            _ => None,
        };
        match begins {
            Some(true) => self.automatic.insert(pool),
            Some(false) => self.automatic.remove(&pool),
            None => false,
        };
    }

    /// A start of this pool that is certainly automatic. A reload's own starts look alike.
    pub(super) fn is_automatic(&self, pool: &PoolView<'_>) -> bool {
        let reloads = pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload);
        self.automatic.contains(&pool.uid) && !reloads
    }

    pub(super) fn begun(&mut self, pool: PoolUid) {
        self.automatic.remove(&pool);
    }
}
