//! The engines this daemon has: which process each incarnation is, and where its log is. Filled by the spawn
//! executor, read by the others. The core never sees a pid it could act on; this table is what turns
//! an [`EngineRef`] into a process.
//!
//! An entry stays after its engine's end, because its log is still asked about, until a younger engine of
//! the same pool takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use pool_manager_core::{EngineRef, PoolUid};
use tokio::sync::watch;

use crate::launch::Launch;
use crate::linux::clone::{Child, CloneError};
use crate::linux::pidfd::PidFd;
use crate::linux::tree::{Marker, Tree};
use crate::linux::{proc, reaper};

/// One run of an engine.
#[derive(Debug)]
pub struct Process {
    /// Which run of which pool.
    pub engine: EngineRef,
    /// How it was started.
    pub launch: Arc<Launch>,
    /// Where its output is.
    pub log: PathBuf,
    /// Its first process's pid, which is also its session and process group. For people and for `/proc`.
    pub pid: u32,
    pub(super) pidfd: PidFd,
    marker: Marker,
    started_ticks: u64,
    /// Whether the pid was given back to the system and may mean another process.
    reaped: RwLock<bool>,
    gone: watch::Sender<bool>,
}

impl Process {
    /// Whether nothing is left of it: the engine has ended, and so has every process it had made.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Ends when nothing is left of it.
    pub async fn gone(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Whether its first process has ended.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        !matches!(self.pidfd.peek(), Ok(None))
    }

    /// Acts while the pid, session and group are certainly this engine's: it runs, or its zombie keeps the
    /// number. `None`: it was reaped, or is just being; then nothing is left to act on.
    pub(super) fn while_unreaped<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let reaped = self.reaped.try_read().ok()?;
        (!*reaped).then(act)
    }
}

/// The table; clones share it.
#[derive(Clone, Debug)]
pub struct Engines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state_dir: PathBuf,
    table: Mutex<BTreeMap<EngineRef, Arc<Process>>>,
}

/// The pids of this process's engines that are not yet reaped, of every table: children belong to the process.
///
/// Locked while children come into being, are listed, or are reaped: a new engine must be known before
/// anyone may take it for a stray, and a list of children is only whole while none is removed from it.
static UNREAPED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn unreaped() -> MutexGuard<'static, BTreeSet<u32>> {
    UNREAPED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engines {
    /// An empty table, for the daemon with this state directory (see [`StateDir::path`](crate::linux::state_dir::StateDir::path)).
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        let state_dir = state_dir.to_path_buf();
        Self(Arc::new(Shared { state_dir, table: Mutex::default() }))
    }

    /// The process of an engine; also some time after its end.
    #[must_use]
    pub fn get(&self, engine: EngineRef) -> Option<Arc<Process>> {
        self.table().get(&engine).cloned()
    }

    /// The engines whose first process runs.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Process>> {
        // Whether one has exited is asked outside the lock.
        let mut processes: Vec<_> = self.table().values().cloned().collect();
        processes.retain(|process| !process.is_gone() && !process.has_exited());
        processes
    }

    /// Whether something is left of an engine of this pool that has ended.
    #[must_use]
    pub fn leftovers_of(&self, pool: PoolUid) -> Option<Arc<Process>> {
        let table = self.table();
        table
            .values()
            .find(|process| process.engine.pool == pool && !process.is_gone() && process.has_exited())
            .cloned()
    }

    /// Drops what is known of a pool's ended engines; for pools that are no more.
    pub fn forget(&self, pool: PoolUid) {
        self.table().retain(|engine, process| engine.pool != pool || !process.is_gone());
    }

    pub(super) fn state_dir(&self) -> &Path {
        &self.0.state_dir
    }

    /// Makes an engine and enters it.
    pub(super) fn enter(
        &self,
        engine: EngineRef,
        (launch, log, marker): (Arc<Launch>, PathBuf, Marker),
        make: impl FnOnce() -> Result<Child, CloneError>,
    ) -> Result<Arc<Process>, CloneError> {
        let mut unreaped = unreaped();
        let Child { pid, pidfd } = make()?;
        unreaped.insert(pid);
        let process = Arc::new(Process {
            engine,
            launch,
            log,
            pid,
            pidfd,
            marker,
            // Its zombie at least is there until we reap it.
            started_ticks: proc::stat(pid).map_or(0, |stat| stat.started_ticks),
            reaped: RwLock::new(false),
            gone: watch::Sender::new(false),
        });
        let mut table = self.table();
        table.retain(|known, process| known.pool != engine.pool || !process.is_gone());
        table.insert(engine, Arc::clone(&process));
        Ok(process)
    }

    /// Kills what belongs to an engine; returns how many live processes that were. Blocks.
    pub(super) fn kill_tree(process: &Process) -> usize {
        let others: Vec<u32> = unreaped().iter().copied().filter(|pid| *pid != process.pid).collect();
        let tree = Tree {
            leader: process.pid,
            started_ticks: process.started_ticks,
            marker: &process.marker,
            spared: &others,
        };
        process.while_unreaped(|| tree.kill()).unwrap_or(0)
    }

    /// Whether some orphan of an engine lives. Exact, because orphans become our children (we are a subreaper).
    pub(super) fn any_orphan_lives() -> bool {
        let engines = unreaped();
        let own_session = proc::stat(std::process::id()).map_or(0, |own| own.session);
        let orphan = |child: &proc::Stat| {
            !child.is_ended() && child.session != own_session && !engines.contains(&child.pid)
        };
        proc::own_children().iter().any(orphan)
    }

    /// Gives an ended engine's pid back; whoever waits for its end goes on.
    pub(super) fn give_back(process: &Process) {
        {
            // Waits for whoever acts on the pid; only then may whoever wants the list wait for us.
            let mut reaped = process.reaped.write().unwrap_or_else(PoisonError::into_inner);
            let mut unreaped = unreaped();
            if let Err(error) = process.pidfd.reap() {
                tracing::warn!(engine = %process.engine, %error, "engine could not be reaped");
            }
            unreaped.remove(&process.pid);
            *reaped = true;
        }
        process.gone.send_replace(true);
    }

    /// Reaps orphans that have ended; to be called again after each [`Self::give_back`]. Blocks while an engine is made.
    pub(super) fn reap_strays() -> usize {
        let engines = unreaped();
        reaper::reap_strays(|pid| engines.contains(&pid))
    }

    /// As [`Self::reap_strays`], also while an ended engine cannot be reaped yet.
    pub(super) fn reap_listed_strays() -> usize {
        let engines = unreaped();
        reaper::reap_listed_strays(|pid| engines.contains(&pid))
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<EngineRef, Arc<Process>>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
