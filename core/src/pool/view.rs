//! A pool as readers see it.

use crate::breaker::CircuitState;
use crate::gate::Gates;
use crate::phase::{Held, HoldReason, Phase, PhaseName, Trouble, Waiting};
use crate::pool::Pool;
use crate::spec::SpecHash;
use crate::time::Time;
use crate::view::{EngineView, Health, LeaseView, PoolView};

/// What versions rise on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    phase: PhaseName,
    health: Health,
    drain_deadline: Option<Time>,
    gates: Option<Gates>,
    spec: SpecHash,
    circuits: [CircuitState; 2],
}

impl Pool {
    /// Borrows what readers may see.
    pub(crate) fn view(&self, now: Time) -> PoolView<'_> {
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
            previous: self.previous.as_deref(),
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
            circuits: self.supervision.circuits.views(),
            restarts_in_window: self.supervision.window.count(now, &self.policy.restart),
            restart_storms: self.supervision.window.storms(),
            oom_storms: self.supervision.ooms.storms(),
            failed: self.has_failed(),
            suspect: matches!(self.trouble(), Trouble::Suspect { .. }),
            doomed: self.trouble() == Trouble::Doomed,
            restart_allowed: self.supervision.allowed,
            heartbeat: self.heartbeat,
            load_time: self.load_time,
            next: self.next_deadline(),
        }
    }

    /// What a watcher wants to know at once when it changes.
    pub(crate) fn watched(&self) -> Watched {
        Watched {
            phase: self.phase.name(),
            health: self.health(),
            drain_deadline: self.drain_deadline(),
            gates: self.gates().copied(),
            spec: self.spec.hash,
            circuits: self.supervision.circuits.views().map(|circuit| circuit.state),
        }
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

    /// It does not come up by itself soon.
    fn has_failed(&self) -> bool {
        match &self.phase {
            Phase::Held(_) => true,
            Phase::Stopped | Phase::Staging(_) | Phase::Waiting(_) | Phase::Ended(_) => {
                self.open_circuit().is_some()
            }
            Phase::Starting(_) | Phase::Ready(_) | Phase::Draining(..) | Phase::Stopping(_) => false,
        }
    }

    fn health(&self) -> Health {
        match &self.phase {
            Phase::Ready(serving) => Health { live: true, ready: serving.trouble == Trouble::None },
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
