//! The disk of the simulated host: PID and handoff files, with what they say.

use std::collections::BTreeMap;

use pool_manager_core::{CatalogEntry, EngineRef, FileKind, PoolUid};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The engine it was written for.
    pub by: EngineRef,
    /// What it says.
    pub content: Content,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Where routers find the engine.
    Handoff {
        /// The pool's name.
        pool_id: String,
        /// What serves.
        catalog: CatalogEntry,
        /// The GPUs it uses.
        device_mask: Vec<String>,
        /// Leases it may serve at once.
        slots_total: u32,
    },
    /// A pid.
    Pid(u32),
}

/// Every file there is.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: BTreeMap<(PoolUid, FileKind), StoredFile>,
}

impl Disk {
    /// The PID or handoff file of a pool.
    #[must_use]
    pub fn file(&self, pool: PoolUid, kind: FileKind) -> Option<&StoredFile> {
        self.files.get(&(pool, kind))
    }

    pub(crate) fn write(&mut self, kind: FileKind, file: StoredFile) {
        self.files.insert((file.by.pool, kind), file);
    }

    pub(crate) fn remove(&mut self, pool: PoolUid, kind: FileKind) {
        self.files.remove(&(pool, kind));
    }
}
