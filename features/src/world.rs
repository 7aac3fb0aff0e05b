//! What one scenario knows: its host, and what its steps did so far.

use std::collections::BTreeMap;

use pool_manager_core::{LeaseId, OperationId, Refusal};

use crate::backend::{Backend, Observation};

/// The state of one scenario.
#[derive(Debug, Default, cucumber::World)]
pub struct PoolWorld {
    /// Set by the runner before the Background.
    pub(crate) backend: Option<Box<dyn Backend>>,
    /// Leases the scenario holds, oldest first.
    pub(crate) leases: BTreeMap<String, Vec<LeaseId>>,
    /// The drain asked last, by pool.
    pub(crate) drains: BTreeMap<String, OperationId>,
    /// The answer to the last ask of the scenario's client.
    pub(crate) asked: Option<Result<LeaseId, Refusal>>,
    /// The metrics, when they were scraped.
    pub(crate) scraped: Option<String>,
}

impl PoolWorld {
    /// The host under test.
    pub(crate) fn host(&mut self) -> &mut dyn Backend {
        match &mut self.backend {
            Some(backend) => backend.as_mut(),
            None => panic!("the runner gave this scenario no backend"),
        }
    }

    /// What can be seen of a pool, now.
    pub(crate) fn observe(&mut self, pool: &str) -> Observation {
        self.host().observe(pool)
    }
}
