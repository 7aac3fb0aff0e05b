//! The disk of the simulated host: PID and handoff files, with what they say, and what may be wrong with them.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{CatalogEntry, EngineRef, FileKind, PoolUid, Time};
use serde::{Deserialize, Serialize};

use crate::plan::duration;

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

/// What is wrong with writing and removing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileTrouble {
    /// It fails with this error number of the operating system.
    Fails {
        /// Such as 28, no space left.
        errno: i32,
    },
    /// It comes to no end.
    Hangs,
    /// It is done, so much later.
    Late {
        /// Beyond 5 s the core has given it up.
        #[serde(with = "duration")]
        by: Duration,
    },
}

/// Every file there is.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: BTreeMap<(PoolUid, FileKind), StoredFile>,
    troubles: BTreeMap<(PoolUid, FileKind), (FileTrouble, Time)>,
    /// When the last action on a file comes to its end: there is one at a time.
    queues: BTreeMap<(PoolUid, FileKind), Time>,
}

impl Disk {
    /// The PID or handoff file of a pool.
    #[must_use]
    pub fn file(&self, pool: PoolUid, kind: FileKind) -> Option<&StoredFile> {
        self.files.get(&(pool, kind))
    }

    /// Until then something is wrong with a file of a pool.
    pub(crate) fn set_trouble(&mut self, pool: PoolUid, kind: FileKind, trouble: FileTrouble, until: Time) {
        self.troubles.insert((pool, kind), (trouble, until));
    }

    /// What is wrong with a file now.
    pub(crate) fn trouble(&self, pool: PoolUid, kind: FileKind, now: Time) -> Option<FileTrouble> {
        self.troubles.get(&(pool, kind)).filter(|(_, until)| *until > now).map(|(trouble, _)| *trouble)
    }

    /// Nothing is wrong any more.
    pub(crate) fn heal(&mut self) {
        self.troubles.clear();
    }

    /// An action on a file would end then; answers when it does, after the one before it.
    pub(crate) fn queue(&mut self, pool: PoolUid, kind: FileKind, now: Time, at: Time) -> Time {
        let before = self.queues.get(&(pool, kind)).filter(|before| **before > now);
        let at = before.map_or(at, |before| at.max(*before + Duration::from_nanos(1)));
        self.queues.insert((pool, kind), at);
        at
    }

    /// The host slept so long: nobody worked through them.
    pub(crate) fn shift_queues(&mut self, by: Duration) {
        self.queues.values_mut().for_each(|last| *last = *last + by);
    }

    /// Whoever worked through them is gone.
    pub(crate) fn forget_queues(&mut self) {
        self.queues.clear();
    }

    pub(crate) fn write(&mut self, kind: FileKind, file: StoredFile) {
        self.files.insert((file.by.pool, kind), file);
    }

    pub(crate) fn remove(&mut self, pool: PoolUid, kind: FileKind) {
        self.files.remove(&(pool, kind));
    }
}
