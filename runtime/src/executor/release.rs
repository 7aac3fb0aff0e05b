//! Says whether what the last engine used is free again. The driver hands it [`Effect::CheckRelease`].
//!
//! Looks at the port of the spec, and at processes an earlier engine of the pool has left behind. GPU memory is not
//! looked at yet. The daemon's start asks the same of every pool's port, to say at once which are taken.
//!
//! [`Effect::CheckRelease`]: pool_manager_core::Effect::CheckRelease

use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_manager_core::{Completion, EffectId, ReleaseAnswer, SpecHash};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::executor::Completions;
use crate::executor::engines::Engines;
use crate::launch::{Endpoint, Launch, Launches};
use crate::linux::listener::{listeners, owner_of};
use crate::linux::{proc, tree};

/// Cleaning up after an engine takes some milliseconds; waiting for it here saves the core a whole round.
const CLEAN_UP: Duration = Duration::from_millis(100);

/// Checks ports. Needs a tokio runtime when it is made.
#[derive(Clone, Debug)]
pub struct ReleaseExecutor {
    engines: Engines,
    launches: Launches,
    completions: Completions,
    runtime: Handle,
}

impl ReleaseExecutor {
    /// For these engines and specs. Panics outside a tokio runtime.
    #[must_use]
    pub fn new(engines: Engines, launches: Launches, completions: Completions) -> Self {
        Self { engines, launches, completions, runtime: Handle::current() }
    }

    /// Looks, in the background. Completed by `Released`.
    pub fn check(&self, id: EffectId, spec: SpecHash) {
        let Self { engines, completions, .. } = self.clone();
        let port = self.launches.get(spec).and_then(|launch| port_of(&launch));
        let state_dir = engines.state_dir().to_path_buf();
        self.runtime.spawn(async move {
            let answer = match engines.leftovers_of(id.pool) {
                Some(process) if timeout(CLEAN_UP, process.gone()).await.is_err() => ReleaseAnswer::Held,
                Some(_) | None => look_at(port, state_dir).await,
            };
            completions.completed(id, Completion::Released(answer));
        });
    }
}

/// The port an engine is probed on is the port it listens on.
pub(crate) fn port_of(launch: &Launch) -> Option<u16> {
    [&launch.readiness, &launch.liveness].into_iter().find_map(|endpoint| match endpoint {
        Endpoint::None => None,
        Endpoint::Tcp { port } | Endpoint::Http { port, .. } => Some(*port),
    })
}

async fn look_at(port: Option<u16>, state_dir: PathBuf) -> ReleaseAnswer {
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
