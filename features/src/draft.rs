//! What a scenario has said of a pool before it is registered, and of the models it may serve.

use std::collections::BTreeMap;

use pool_manager_core::{CatalogEntry, EngineSpec, PerformanceHints, Policy, PoolName, PoolSpec, SpecHash};

use crate::backend::Script;

/// The model of a pool that names none.
pub(crate) const FIRST_MODEL: &str = "llama-7b-v1";
/// The engine version of a catalog entry that names none.
const FIRST_VERSION: &str = "1.0.0";

/// A pool to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) spec: PoolSpec,
    /// How engines behave that serve a model; a model that is not named here is unremarkable.
    pub(crate) scripts: BTreeMap<String, Script>,
    /// Engine versions of catalog entries, by model; `None`: nobody stated one.
    versions: BTreeMap<String, Option<String>>,
}

impl Draft {
    pub(crate) fn new(pool: &str) -> Self {
        let Ok(name) = PoolName::new(pool) else { panic!("not a pool name: {pool:?}") };
        let engine = EngineSpec {
            hash: spec_hash(pool, FIRST_MODEL),
            catalog: catalog(FIRST_MODEL, Some(FIRST_VERSION.to_owned())),
            device_mask: vec!["0".to_owned()],
            port: None,
            hints: PerformanceHints::default(),
        };
        let spec = PoolSpec { name, engine, policy: Policy::default(), autostart: false };
        Self { spec, scripts: BTreeMap::new(), versions: BTreeMap::new() }
    }

    /// The model it serves first.
    pub(crate) fn model(&self) -> String {
        self.spec.engine.catalog.model.clone()
    }

    pub(crate) fn set_model(&mut self, model: &str) {
        self.spec.engine = self.engine(model);
    }

    pub(crate) fn set_version(&mut self, model: &str, version: Option<String>) {
        self.versions.insert(model.to_owned(), version);
        if self.model() == model {
            self.set_model(model);
        }
    }

    /// The same pool's engine part with another model.
    pub(crate) fn engine(&self, model: &str) -> EngineSpec {
        let version = self.versions.get(model).cloned().unwrap_or(Some(FIRST_VERSION.to_owned()));
        EngineSpec {
            hash: spec_hash(self.spec.name.as_str(), model),
            catalog: catalog(model, version),
            ..self.spec.engine.clone()
        }
    }
}

/// What identifies the engine part of a pool with a model.
pub(crate) fn spec_hash(pool: &str, model: &str) -> SpecHash {
    // Any number does that differs between them; hosts only compare it.
    let bytes = pool.bytes().chain([b'/']).chain(model.bytes());
    SpecHash(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

fn catalog(model: &str, version: Option<String>) -> CatalogEntry {
    CatalogEntry {
        id: None,
        engine: "stub-engine".to_owned(),
        engine_version: version,
        model: model.to_owned(),
        digest: None,
    }
}
