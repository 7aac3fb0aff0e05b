//! Says whether what the last engine used is free again. The driver hands it [`Effect::CheckRelease`].
//!
//! Looks at processes an earlier engine of the pool has left behind, at the port of the spec, and whether the GPUs of
//! its device mask are there. GPU memory is not looked at yet. The daemon's start asks the same of every pool's port,
//! to say at once which are taken.
//!
//! [`Effect::CheckRelease`]: pool_manager_core::Effect::CheckRelease

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_manager_core::{Completion, EffectId, PoolUid, ReleaseAnswer, SpecHash};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::executor::Completions;
use crate::executor::engines::Engines;
use crate::gpu::{GpuRoom, MaskAnswer};
use crate::launch::{Endpoint, Launch, Launches};
use crate::linux::listener::{listeners, owner_of};
use crate::linux::{proc, tree};

/// Cleaning up after an engine takes some milliseconds; waiting for it here saves the core a whole round.
const CLEAN_UP: Duration = Duration::from_millis(100);

/// Checks what a start needs. Needs a tokio runtime when it is made.
#[derive(Clone, Debug)]
pub struct ReleaseExecutor {
    engines: Engines,
    launches: Launches,
    gpus: GpuRoom,
    completions: Completions,
    runtime: Handle,
    /// What was last said of a pool's devices: it is looked again and again, and said once.
    said: Arc<Mutex<BTreeMap<PoolUid, String>>>,
}

impl ReleaseExecutor {
    /// For these engines, specs and GPUs. Panics outside a tokio runtime.
    #[must_use]
    pub fn new(engines: Engines, launches: Launches, gpus: GpuRoom, completions: Completions) -> Self {
        Self { engines, launches, gpus, completions, runtime: Handle::current(), said: Arc::default() }
    }

    /// Looks, in the background. Completed by `Released`.
    pub fn check(&self, id: EffectId, spec: SpecHash) {
        let this = self.clone();
        let launch = self.launches.get(spec);
        self.runtime.spawn(async move {
            let answer = match this.engines.leftovers_of(id.pool) {
                Some(process) if timeout(CLEAN_UP, process.gone()).await.is_err() => ReleaseAnswer::Held,
                Some(_) | None => this.look_at(id.pool, launch.as_deref()).await,
            };
            this.completions.completed(id, Completion::Released(answer));
        });
    }

    async fn look_at(&self, pool: PoolUid, launch: Option<&Launch>) -> ReleaseAnswer {
        let state_dir = self.engines.state_dir().to_path_buf();
        match look_at_port(launch.and_then(port_of), state_dir).await {
            ReleaseAnswer::Free => {}
            taken @ (ReleaseAnswer::DriverMismatch
            | ReleaseAnswer::Held
            | ReleaseAnswer::NoDevice
            | ReleaseAnswer::PortStranger { .. }) => return taken,
        }
        match launch.filter(|launch| launch.check_devices) {
            Some(launch) => self.look_at_devices(pool, launch).await,
            None => ReleaseAnswer::Free,
        }
    }

    async fn look_at_devices(&self, pool: PoolUid, launch: &Launch) -> ReleaseAnswer {
        let (answer, why) = match self.gpus.mask(&launch.device_mask).await {
            MaskAnswer::Present => (ReleaseAnswer::Free, None),
            // That nobody can say is no reason to keep a pool down; the engine will find out.
            MaskAnswer::Unknown(why) => (ReleaseAnswer::Free, Some(why)),
            MaskAnswer::Missing(why) => (ReleaseAnswer::NoDevice, Some(why)),
            MaskAnswer::DriverMismatch(why) => (ReleaseAnswer::DriverMismatch, Some(why)),
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &why {
            Some(why) => said.insert(pool, why.clone()),
            None => said.remove(&pool),
        };
        if let Some(why) = why.filter(|why| before.as_ref() != Some(why)) {
            tracing::warn!(pool_id = %launch.pool, "{why}");
        }
        answer
    }
}

/// The port an engine is probed on is the port it listens on.
pub(crate) fn port_of(launch: &Launch) -> Option<u16> {
    [&launch.readiness, &launch.liveness].into_iter().find_map(|endpoint| match endpoint {
        Endpoint::None => None,
        Endpoint::Tcp { port } | Endpoint::Http { port, .. } => Some(*port),
    })
}

async fn look_at_port(port: Option<u16>, state_dir: PathBuf) -> ReleaseAnswer {
    let Some(port) = port else { return ReleaseAnswer::Free };
    let look = tokio::task::spawn_blocking(move || holder_of(port, &state_dir));
    // Not looked is not free.
    look.await.unwrap_or(ReleaseAnswer::Held)
}

/// A stranger is the answer that needs a person, so it goes before our own leftovers.
pub(crate) fn holder_of(port: u16, state_dir: &Path) -> ReleaseAnswer {
    let mut answer = ReleaseAnswer::Free;
    for inode in listeners(port) {
        let pid = owner_of(inode);
        if pid.is_some_and(|pid| is_ours(pid, state_dir)) {
            answer = ReleaseAnswer::Held;
        } else {
            return ReleaseAnswer::PortStranger { port, pid };
        }
    }
    answer
}

/// An engine or what one left behind: marked, or (an orphan) a descendant of this process. This process itself
/// is not: that its own port was given to a pool is nothing that waiting would cure.
fn is_ours(pid: u32, state_dir: &Path) -> bool {
    let own = std::process::id();
    pid != own && (tree::is_marked_by(pid, state_dir) || proc::descends_from(pid, own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn a_port_is_free_until_someone_listens() -> std::io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let pid = Some(std::process::id());
        assert_eq!(holder_of(port, Path::new("/nowhere")), ReleaseAnswer::PortStranger { port, pid });
        drop(listener);
        // A child another test is just making has a copy of the socket until it executes its program.
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while holder_of(port, Path::new("/nowhere")) != ReleaseAnswer::Free {
            assert!(std::time::Instant::now() < patience, "nobody listens any more");
        }
        Ok(())
    }
}
