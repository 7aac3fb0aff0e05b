//! Before any pool is registered: whether somebody listens on a pool's port already, said in one log
//! line that names file and key. The daemon goes on: only that pool waits (its release gate), and a
//! person knows at once what to change.

use std::path::Path;

use pool_manager_core::{PoolName, ReleaseAnswer};

use super::Pool;
use crate::executor::release::{holder_of, port_of};
use crate::linux::listener::{listeners, owner_of};
use crate::linux::proc;
use crate::linux::tree::ENGINE_VARIABLE;

/// A port that is taken: one line of the log.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// By a process that has nothing to do with us: somebody has to move.
    ByStranger(String),
    /// By what an earlier daemon of this state directory left behind.
    ByLeftover(String),
}

/// Looks at the port of each pool and says which are taken. Returns when all were looked at.
pub(super) async fn look(pools: &[Pool], state_dir: &Path) {
    let asked: Vec<Ask> = pools.iter().filter_map(Ask::of).collect();
    let state_dir = state_dir.to_path_buf();
    // Finding the owner of a socket reads all of /proc.
    let look = tokio::task::spawn_blocking(move || find_taken(asked, &state_dir));
    for taken in look.await.unwrap_or_default() {
        match taken {
            Taken::ByStranger(line) => tracing::error!("{line}"),
            Taken::ByLeftover(line) => tracing::warn!("{line}"),
        }
    }
}

struct Ask {
    port: u16,
    port_key: String,
    pool: PoolName,
    /// What becomes of the pool meanwhile.
    consequence: String,
}

impl Ask {
    fn of(pool: &Pool) -> Option<Self> {
        let (name, restart) = (&pool.spec.name, &pool.spec.policy.restart);
        let consequence = if pool.spec.autostart {
            let every = humantime::format_duration(restart.host_recheck);
            format!("pool {name} waits and looks again every {every}")
        } else {
            format!("pool {name} cannot start before it is free")
        };
        let (pool_name, port_key) = (name.clone(), pool.port_key.clone());
        Some(Self { port: port_of(&pool.launch)?, port_key, pool: pool_name, consequence })
    }
}

fn find_taken(asked: Vec<Ask>, state_dir: &Path) -> Vec<Taken> {
    asked.iter().filter_map(|ask| taken(ask, state_dir)).collect()
}

fn taken(ask: &Ask, state_dir: &Path) -> Option<Taken> {
    let Ask { port, port_key, pool, consequence } = ask;
    match holder_of(*port, state_dir) {
        // Only ports were asked about.
        ReleaseAnswer::DriverMismatch | ReleaseAnswer::Free | ReleaseAnswer::NoDevice => None,
        ReleaseAnswer::PortStranger { pid, .. } => {
            let who = pid.map_or_else(|| "a process that may not be seen".to_owned(), named);
            Some(Taken::ByStranger(format!("{port_key}: {port} is in use by {who}; {consequence}")))
        }
        ReleaseAnswer::Held => {
            let pid = listeners(*port).into_iter().find_map(owner_of)?;
            let engine = proc::environment_value(pid, ENGINE_VARIABLE).unwrap_or_default();
            Some(Taken::ByLeftover(format!(
                "{port_key}: {port} is in use by {}, engine {engine} of an earlier daemon, which pool {pool} waits for; end it with: kill {pid}",
                named(pid)
            )))
        }
    }
}

/// `pid 123 (nginx)`. Not the command line, which may hold somebody's secret.
fn named(pid: u32) -> String {
    proc::name(pid).map_or_else(|| format!("pid {pid}"), |name| format!("pid {pid} ({name})"))
}
