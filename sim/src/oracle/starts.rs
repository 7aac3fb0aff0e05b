//! Which starts are automatic, as events tell it: made by policy after an end nobody asked for. For the oracles
//! that count them.

use std::collections::BTreeSet;

use pool_manager_core::{Event, EventKind, OperationKind, PhaseName, PoolUid, PoolView, View};

/// The pools whose next start is automatic.
#[derive(Debug, Default)]
pub(super) struct Starts {
    automatic: BTreeSet<PoolUid>,
    /// Those of which an operator had allowed the next start of this kind, before this step.
    allowed: BTreeSet<PoolUid>,
}

impl Starts {
    pub(super) fn event(&mut self, event: &Event) {
        let Some(pool) = event.pool else { return };
        if is_scheduled(&event.kind) {
            self.automatic.insert(pool);
        }
        if let EventKind::PhaseChanged { from, to } = event.kind {
            // A hold was lifted: what was to come before it comes now.
            if (from, to) == (PhaseName::Held, PhaseName::Waiting) && !self.allowed.contains(&pool) {
                self.automatic.insert(pool);
            }
            if to == PhaseName::Staging {
                self.automatic.remove(&pool);
            }
        }
        if event.kind == EventKind::RestartAllowed {
            self.automatic.remove(&pool);
        }
    }

    /// The step is over, and left the pool like this.
    pub(super) fn look(&mut self, pool: &PoolView<'_>) {
        if pool.restart_allowed {
            self.allowed.insert(pool.uid);
        } else if !self.allowed.is_empty() {
            self.allowed.remove(&pool.uid);
        }
    }

    /// The supervisor was started again: what changed in the step in which the one before died was shown to nobody.
    pub(super) fn resumed(&mut self, before: View<'_>) {
        // What does not wait yet is told of when it does.
        let waits = |phase| matches!(phase, PhaseName::Waiting | PhaseName::Held);
        before.pools().for_each(|pool| self.look(&pool));
        self.automatic.retain(|uid| before.pool(*uid).is_some_and(|pool| waits(pool.phase)));
    }

    /// The supervisor will know no more than what was earlier: why a pool waited then is not known here.
    pub(super) fn forget(&mut self) {
        self.automatic.clear();
    }

    /// A start of this pool that is certainly automatic. A reload's own starts look alike.
    pub(super) fn is_automatic(&self, pool: &PoolView<'_>) -> bool {
        let reloads = pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload);
        self.automatic.contains(&pool.uid) && !reloads
    }

    /// The next start has begun, or is not policy's alone any more.
    pub(super) fn begun(&mut self, pool: PoolUid) {
        self.automatic.remove(&pool);
    }
}

/// Policy has decided on a restart, now or when a circuit lets it.
pub(super) const fn is_scheduled(kind: &EventKind) -> bool {
    matches!(kind, EventKind::RestartScheduled { .. } | EventKind::RestartPrevented { .. })
}
