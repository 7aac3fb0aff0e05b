//! Engines in Facts: what is to run, and the run that exists. Read the rules in the parent module.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::if_known;
use crate::spec::{CatalogEntry, EngineSpec, PerformanceHints, SpecHash};
use crate::verdict::StopCause;

/// The engine part of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineFacts {
    /// The edge's key to argv, environment and endpoint.
    pub hash: u64,
    /// The entry's name in the operator's catalog.
    pub catalog_id: Option<String>,
    /// The kind of engine.
    pub engine: String,
    /// Its version.
    pub engine_version: Option<String>,
    /// A path or a catalog name.
    pub model: String,
    /// The model's digest.
    pub digest: Option<String>,
    /// GPUs it may touch.
    pub device_mask: Vec<String>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// What the operator measured.
    pub tokens_per_second: Option<u32>,
    /// From a request to its first token.
    pub first_token_nanos: Option<u64>,
}

/// One run of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct IncarnationFacts {
    /// Which start of the supervisor began it.
    pub epoch: u32,
    /// Counted within that start.
    pub n: u32,
}

/// An engine that exists, or is being made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFacts {
    /// Which run.
    pub incarnation: IncarnationFacts,
    /// What it runs: another spec than the pool's while a reload tries it.
    pub spec_hash: u64,
    /// `None`: the spawn was not acknowledged.
    pub pid: Option<u32>,
    /// When its spawn was asked.
    pub spawned_nanos: u64,
    /// When it became ready.
    pub ready_since_nanos: Option<u64>,
    /// Who asked for it, and so what its failure counts for; `None`: policy.
    #[serde(deserialize_with = "if_known")]
    pub started_by: Option<StartedBy>,
    /// Whether a confirmed CUDA error takes it out of service.
    pub doomed: bool,
    /// Whether we have signalled it.
    pub signalled: bool,
    /// Why we have.
    #[serde(deserialize_with = "if_known")]
    pub stop_cause: Option<StopCause>,
}

/// Who asked for a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartedBy {
    /// An operator let this restart pass backoff, window and circuits.
    Allowed,
    /// An operation.
    Asked,
    /// Policy, after an end nobody asked for.
    Automatic,
    /// A reload, that tries another spec.
    Candidate,
    /// A registration with autostart.
    First,
    /// A reload that failed: the committed spec again.
    Rollback,
}

impl From<&EngineSpec> for EngineFacts {
    fn from(spec: &EngineSpec) -> Self {
        let EngineSpec { hash, catalog, device_mask, port, hints } = spec.clone();
        let CatalogEntry { id, engine, engine_version, model, digest } = catalog;
        Self {
            hash: hash.0,
            catalog_id: id,
            engine,
            engine_version,
            model,
            digest,
            device_mask,
            port,
            tokens_per_second: hints.tokens_per_second,
            first_token_nanos: hints.first_token.map(nanos),
        }
    }
}

impl From<EngineFacts> for EngineSpec {
    fn from(facts: EngineFacts) -> Self {
        Self {
            hash: SpecHash(facts.hash),
            catalog: CatalogEntry {
                id: facts.catalog_id,
                engine: facts.engine,
                engine_version: facts.engine_version,
                model: facts.model,
                digest: facts.digest,
            },
            device_mask: facts.device_mask,
            port: facts.port,
            hints: PerformanceHints {
                tokens_per_second: facts.tokens_per_second,
                first_token: facts.first_token_nanos.map(Duration::from_nanos),
            },
        }
    }
}

/// 584 years at most, as [`Time`](crate::Time).
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
