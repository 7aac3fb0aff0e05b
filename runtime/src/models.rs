//! What the name of a model means to each pool: which engine a reload is to run, and how it is started. Filled
//! by the daemon from the config; read by the control API before it commands a reload.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pool_manager_core::EngineSpec;

use crate::launch::{Launch, Launches, Reserved};

/// Makes the engine of one pool with another model: same pool, port, devices and engine. Called on the way of
/// a request, so it looks at no file.
#[derive(Clone)]
pub struct WithModel(Arc<MakeEngine>);

type MakeEngine = dyn Fn(&str) -> Result<(EngineSpec, Launch), String> + Send + Sync;

impl WithModel {
    /// The error of `make` says in one line why the pool cannot serve that model.
    pub fn new(make: impl Fn(&str) -> Result<(EngineSpec, Launch), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl fmt::Debug for WithModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithModel(…)")
    }
}

/// Every pool's way to another model.
#[derive(Clone, Debug, Default)]
pub struct Models {
    by_pool: Arc<BTreeMap<String, WithModel>>,
}

/// Why there is no engine for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEngine {
    /// The pool cannot be given another model at all, or is not known.
    FixedModel,
    /// Not this one; says why.
    Unusable(String),
}

impl Models {
    /// By the names of the pools.
    #[must_use]
    pub fn new(pools: impl IntoIterator<Item = (String, WithModel)>) -> Self {
        Self { by_pool: Arc::new(pools.into_iter().collect()) }
    }

    /// The engine that serves this model, made known to the executors: a command may name it at once. Whoever
    /// commands it keeps what is reserved when the command was accepted.
    ///
    /// # Errors
    /// [`NoEngine`]; nothing was made known.
    pub fn engine(
        &self,
        pool: &str,
        model: &str,
        launches: &Launches,
    ) -> Result<(EngineSpec, Reserved), NoEngine> {
        let WithModel(make) = self.by_pool.get(pool).ok_or(NoEngine::FixedModel)?;
        let (spec, launch) = make(model).map_err(NoEngine::Unusable)?;
        let reserved = launches.reserve(spec.hash, launch);
        Ok((spec, reserved))
    }
}
