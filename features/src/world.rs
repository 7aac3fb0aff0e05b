//! What one scenario knows: its host, the pools it has drafted, and what its steps did so far.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{LeaseId, Operation, OperationId, OperationKind, Refusal, Time, Verb};

use crate::backend::{Accepted, Backend, PoolStatus, ProcessSeen, Script};
use crate::draft::Draft;

/// The state of one scenario.
#[derive(Debug, Default, cucumber::World)]
pub struct PoolWorld {
    /// Set by the runner before the Background.
    pub(crate) backend: Option<Box<dyn Backend>>,
    /// What was said of pools, registered or not.
    drafts: BTreeMap<String, Draft>,
    /// Leases the scenario holds, oldest first.
    pub(crate) leases: BTreeMap<String, Vec<LeaseId>>,
    /// Asks that were not answered at once, oldest first.
    pub(crate) asks: Vec<u64>,
    /// The last operation of each kind, by pool.
    operations: BTreeMap<(String, OperationKind), OperationId>,
    /// How the last command or registration was answered.
    pub(crate) answered: Option<Result<Accepted, Refusal>>,
    /// The metrics, when they were scraped.
    pub(crate) scraped: Option<String>,
    /// What was written down of pools, to compare.
    pub(crate) noted: BTreeMap<String, PoolStatus>,
    /// A time that was written down.
    pub(crate) noted_at: Option<Time>,
    /// When the supervisor was last started again.
    pub(crate) started_at: Option<Time>,
}

impl PoolWorld {
    /// The host under test.
    pub(crate) fn host(&mut self) -> &mut dyn Backend {
        match &mut self.backend {
            Some(backend) => backend.as_mut(),
            None => panic!("the runner gave this scenario no backend"),
        }
    }

    /// The host under test, to look at.
    pub(crate) fn seen(&self) -> &dyn Backend {
        match &self.backend {
            Some(backend) => backend.as_ref(),
            None => panic!("the runner gave this scenario no backend"),
        }
    }

    /// What was said of a pool so far.
    pub(crate) fn draft(&mut self, pool: &str) -> &mut Draft {
        self.drafts.entry(pool.to_owned()).or_insert_with(|| Draft::new(pool))
    }

    /// A pool that is not registered yet, to say more of it.
    pub(crate) fn fresh_draft(&mut self, pool: &str) -> &mut Draft {
        let known = self.seen().status(pool).is_some();
        assert!(!known, "the policies of {pool} are given before it is registered");
        self.draft(pool)
    }

    /// Changes how engines of a pool behave that serve a model, from their next start on.
    pub(crate) fn rescript(&mut self, pool: &str, model: &str, change: impl FnOnce(&mut Script)) {
        let script = self.draft(pool).scripts.entry(model.to_owned()).or_default();
        change(script);
        let script = script.clone();
        self.host().script(pool, model, &script);
    }

    /// The pool's status; it is registered.
    pub(crate) fn status(&self, pool: &str) -> PoolStatus {
        status(self.seen(), pool)
    }

    /// The process of a pool with this number, from 1.
    pub(crate) fn engine(&self, pool: &str, number: usize) -> ProcessSeen {
        let processes = self.seen().processes(pool);
        let engine = number.checked_sub(1).and_then(|place| processes.get(place)).cloned();
        engine.unwrap_or_else(|| panic!("{pool} has had {} engines, not {number}", processes.len()))
    }

    /// The newest process of a pool.
    pub(crate) fn newest_engine(&self, pool: &str) -> ProcessSeen {
        let newest = self.seen().processes(pool).pop();
        newest.unwrap_or_else(|| panic!("{pool} had an engine"))
    }

    /// Lets time pass until a condition holds, which must be within the bound.
    pub(crate) fn within(&mut self, bound: Duration, what: &str, condition: impl Fn(&dyn Backend) -> bool) {
        let came = self.host().advance_until(bound, &condition);
        assert!(came, "{what} within {bound:?}; {}", self.situation());
    }

    /// Lets time pass, in which a condition must hold throughout.
    pub(crate) fn throughout(&mut self, span: Duration, what: &str, holds: impl Fn(&dyn Backend) -> bool) {
        let broken = self.host().advance_until(span, &|seen| !holds(seen));
        assert!(!broken, "{what} for {span:?}; {}", self.situation());
    }

    /// Gives a command and keeps its answer; an operation can be asked for later.
    pub(crate) fn command(&mut self, pool: &str, verb: Verb) {
        let kind = kind_of(&verb);
        let answer = self.host().command(pool, verb);
        if let (Some(kind), Ok(Accepted::Operation(id))) = (kind, &answer) {
            self.operations.insert((pool.to_owned(), kind), *id);
        }
        self.answered = Some(answer);
    }

    /// Gives a command that must be accepted.
    pub(crate) fn order(&mut self, pool: &str, verb: Verb) {
        let what = format!("{verb:?} of {pool}");
        self.command(pool, verb);
        let answer = self.answered.take();
        assert!(matches!(answer, Some(Ok(_))), "{what} is accepted, not answered {answer:?}");
    }

    /// The scenario's last operation of a kind.
    pub(crate) fn operation(&self, pool: &str, kind: OperationKind) -> Operation {
        operation(self.seen(), self.operation_id(pool, kind))
    }

    pub(crate) fn operation_id(&self, pool: &str, kind: OperationKind) -> OperationId {
        let id = self.operations.get(&(pool.to_owned(), kind));
        *id.unwrap_or_else(|| panic!("the scenario asked for no {} of {pool}", kind.label()))
    }

    /// Where every pool stands, for the message of a condition that failed.
    fn situation(&self) -> String {
        let line = |pool: PoolStatus| {
            format!(
                "{} is {:?} {:?} live {} ready {}, last error {:?}, gates {:?}, circuits {:?}",
                pool.pool_id,
                pool.phase,
                pool.wanted,
                pool.live,
                pool.ready,
                pool.last_error.map(|error| error.verdict.class),
                pool.gates,
                pool.circuits.map(|circuit| (circuit.state, circuit.failures)),
            )
        };
        let pools: Vec<String> = self.seen().registry().into_iter().map(line).collect();
        format!("at {}: {}", self.seen().now(), pools.join("; "))
    }
}

/// A pool's status; it is registered.
pub(crate) fn status(seen: &dyn Backend, pool: &str) -> PoolStatus {
    seen.status(pool).unwrap_or_else(|| panic!("{pool} is registered"))
}

/// An operation that the host was asked for.
pub(crate) fn operation(seen: &dyn Backend, id: OperationId) -> Operation {
    seen.operation(id).unwrap_or_else(|| panic!("the host keeps operation {id}"))
}

const fn kind_of(verb: &Verb) -> Option<OperationKind> {
    match verb {
        Verb::AllowRestart | Verb::ResetBreaker | Verb::Undrain => None,
        Verb::Deregister => Some(OperationKind::Deregister),
        Verb::Drain { .. } => Some(OperationKind::Drain),
        Verb::Preload => Some(OperationKind::Preload),
        Verb::Reload(_) => Some(OperationKind::Reload),
        Verb::Restart => Some(OperationKind::Restart),
        Verb::Stop => Some(OperationKind::Stop),
    }
}
