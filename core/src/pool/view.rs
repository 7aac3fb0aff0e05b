//! A pool as readers see it.

use crate::gate::Gates;
use crate::phase::{Held, HoldReason, Phase, PhaseName, Waiting};
use crate::pool::Pool;
use crate::time::Time;
use crate::view::{EngineView, Health, LeaseView, PoolView};

impl Pool {
    /// Borrows what readers may see.
    pub(crate) fn view(&self) -> PoolView<'_> {
        PoolView {
            uid: self.uid,
            name: &self.name,
            phase: self.phase.name(),
            since: self.shown.1,
            held: self.held(),
            wanted: self.wanted,
            health: self.health(),
            draining: self.drain_deadline().is_some(),
            drain_deadline: self.drain_deadline(),
            engine: self.engine_view(),
            spec: &self.spec,
            previous: None,
            policy: &self.policy,
            leases_active: self.leases.active(),
            leases_queued: self.leases.queued(),
            lease_totals: self.leases.totals(),
            gates: self.gates(),
            operation: self.operation(),
            last_operation: self.last_operation,
            last_error: self.supervision.last_error.as_ref(),
            crashes_total: self.supervision.crashes_total,
            restart_count: self.supervision.restart_count,
            failures: self.supervision.failures,
            circuits: crate::breaker::Circuits::default().views(),
            restarts_in_window: 0,
            restart_storms: 0,
            oom_storms: 0,
            failed: false,
            suspect: false,
            doomed: false,
            restart_allowed: false,
            heartbeat: self.heartbeat,
            load_time: self.load_time,
            next: self.next_deadline(),
        }
    }

    /// What a watcher wants to know at once when it changes.
    pub(crate) fn watched(&self) -> (PhaseName, Health, Option<Time>, Option<Gates>) {
        (self.phase.name(), self.health(), self.drain_deadline(), self.gates().copied())
    }

    pub(crate) fn lease_views(&self) -> impl Iterator<Item = LeaseView> + '_ {
        self.leases.iter(self.uid)
    }

    const fn gates(&self) -> Option<&Gates> {
        match &self.phase {
            Phase::Waiting(Waiting { gates, .. }) => Some(gates),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => None,
        }
    }

    fn held(&self) -> Option<HoldReason> {
        match &self.phase {
            Phase::Held(held) => Some(Held::reason(held)),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_) => None,
        }
    }

    fn health(&self) -> Health {
        match &self.phase {
            Phase::Ready(_) => Health { live: true, ready: true },
            Phase::Draining(..) => Health { live: true, ready: false },
            Phase::Starting(engine) => Health { live: engine.pid.is_some(), ready: false },
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => Health::default(),
        }
    }

    fn engine_view(&self) -> Option<EngineView> {
        self.phase.engine().map(EngineView::from)
    }
}
