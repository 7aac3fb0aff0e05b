//! The daemon: puts state directory, executors, driver, control API and signals together, runs them,
//! and takes them apart again. Called by `pool-managerd run`.

mod ports;
mod readiness;
mod signals;

pub use readiness::{Readiness, first_readiness};

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pool_manager_core::{
    Answer, Correlation, HoldReason, Host, HostConfig, LimiterPolicy, PoolSpec, Refusal,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use xxhash_rust::xxh3::xxh3_64;

use crate::control::{self, Api, Hosts, Tokens};
use crate::driver::{Driver, DriverHandle};
use crate::executor::Completions;
use crate::executor::engines::Engines;
use crate::executor::local::Local;
use crate::launch::{Launch, Launches};
use crate::linux::state_dir::{StateDir, StateDirError};
use crate::linux::timerfd::BootTimer;
use crate::models::{Models, WithModel};
use crate::telemetry::Metrics;

/// What a daemon is started with.
#[derive(Debug)]
pub struct Setup {
    /// Where the control API listens.
    pub listen: SocketAddr,
    /// Who may use it.
    pub tokens: Tokens,
    /// Where PID files, handoff files and logs are.
    pub state_dir: PathBuf,
    /// Longest drain of a shutdown.
    pub shutdown_deadline: Duration,
    /// How many engines may load at once.
    pub limiter: LimiterPolicy,
    /// The pools, in the order they are registered.
    pub pools: Vec<Pool>,
}

/// One pool of a [`Setup`].
#[derive(Debug)]
pub struct Pool {
    /// For the core.
    pub spec: PoolSpec,
    /// For the executors.
    pub launch: Launch,
    /// How it is given another model.
    pub with_model: WithModel,
    /// Where its port is configured, for errors: `host.toml:12: pool.chat.port`.
    pub port_key: String,
}

/// Why a daemon did not start, in one line.
#[derive(Debug)]
pub enum StartError {
    /// The control address cannot be used.
    Listen(SocketAddr, io::Error),
    /// A pool was refused.
    Register(String),
    /// The state directory cannot be used.
    StateDir(StateDirError),
    /// The operating system refused something the daemon cannot do without.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "control.listen: {address} is in use; stop what listens there (another pool-managerd?) or set another address"
            ),
            Self::Listen(address, error) => write!(f, "control.listen: cannot listen on {address}: {error}"),
            Self::Register(why) => f.write_str(why),
            Self::StateDir(error) => write!(f, "state_dir: {error}"),
            Self::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A daemon that runs.
#[derive(Debug)]
pub struct Running {
    /// The way to its host.
    pub driver: DriverHandle,
    /// How its engines are started and reached.
    pub launches: Launches,
    /// Where its control API really listens.
    pub address: SocketAddr,
    ended: JoinHandle<io::Result<Host>>,
    api: JoinHandle<()>,
    close_api: oneshot::Sender<()>,
    signals: JoinHandle<()>,
    /// Held as long as engines may run: no second daemon may take them for its own.
    _state_dir: StateDir,
}

/// Starts a daemon: everything that can be refused is refused before the first engine is made.
///
/// # Errors
/// [`StartError`]: nothing was started.
pub async fn start(setup: Setup) -> Result<Running, StartError> {
    let Setup { listen, tokens, state_dir, shutdown_deadline, limiter, pools } = setup;
    let state_dir = StateDir::open(&state_dir).map_err(StartError::StateDir)?;
    let listener = TcpListener::bind(listen).await.map_err(|error| StartError::Listen(listen, error))?;
    let address = listener.local_addr().map_err(|error| StartError::Listen(listen, error))?;

    ports::look(&pools, state_dir.path()).await;

    let launches = Launches::default();
    for pool in &pools {
        launches.insert(pool.spec.engine.hash, pool.launch.clone());
    }
    let (queue, completed) = mpsc::unbounded_channel();
    let engines = Engines::new(state_dir.path());
    let metrics = Arc::new(Metrics::new());
    let completions = Completions::new(queue);
    let executors = Local::start(&state_dir, engines, launches.clone(), completions, Arc::clone(&metrics))
        .map_err(|error| StartError::System("start the executors", error))?;
    let timer = BootTimer::new().map_err(|error| StartError::System("make a timer", error))?;
    let config = HostConfig { epoch: state_dir.epoch(), shutdown_deadline, limiter };
    let (task, driver) = Driver::new(config, host_seed(&state_dir), timer, executors, completed);
    // Before the first engine: from then on the end of this process must be an orderly one.
    let obey = signals::obey(driver.clone()).map_err(|error| StartError::System("take signals", error))?;
    let signals = tokio::spawn(obey);
    let ended = tokio::spawn(task.run());

    let models = Models::new(pools.iter().map(|pool| (pool.spec.name.to_string(), pool.with_model.clone())));
    let api = Api {
        tokens,
        models,
        metrics,
        hosts: if address.ip().is_loopback() { Hosts::Loopback } else { Hosts::Any },
        logs: Some(state_dir.logs_dir()),
        ..Api::new(driver.clone(), launches.clone())
    };
    let (close_api, closed) = oneshot::channel();
    let api = tokio::spawn(control::serve(listener, api, async {
        // A dropped sender means that the daemon is gone: then, too, the API ends.
        let _ = closed.await;
    }));
    let running =
        Running { driver, launches, address, ended, api, close_api, signals, _state_dir: state_dir };
    match register(&running.driver, pools).await {
        Ok(()) => Ok(running),
        Err(refused) => {
            // What was registered before it goes down again; a gone driver has nothing left.
            let _ = running.driver.shut_down(Correlation([0, 0])).await;
            let _ = running.ended().await;
            Err(refused)
        }
    }
}

impl Running {
    /// Runs until every engine is stopped: on SIGTERM or SIGINT (obeyed from the start on) everything is
    /// drained, on a second one what is left is killed. Returns the pools whose engines outlived KILL.
    ///
    /// # Errors
    /// The driver's timer.
    pub async fn until_signalled(self) -> io::Result<Vec<String>> {
        let stuck = self.ended().await;
        if let Ok([]) = stuck.as_deref() {
            signals::say("all engines stopped");
        }
        stuck
    }

    async fn ended(self) -> io::Result<Vec<String>> {
        let Self { ended, api, close_api, signals, _state_dir, .. } = self;
        let host = ended.await.map_err(io::Error::other)??;
        signals.abort();
        // Requests in flight still get their answers. An API that has ended by itself needs no word.
        let _ = close_api.send(());
        if let Err(error) = api.await {
            tracing::error!(%error, "the control API failed");
        }
        let held = host.view().pools().filter(|pool| pool.held == Some(HoldReason::Stuck));
        Ok(held.map(|pool| pool.name.to_string()).collect())
    }
}

/// Registers the pools; an `autostart` pool begins to start at once.
async fn register(driver: &DriverHandle, pools: Vec<Pool>) -> Result<(), StartError> {
    for Pool { spec, port_key, .. } in pools {
        let name = spec.name.clone();
        let correlation = Correlation([0, xxh3_64(name.as_str().as_bytes())]);
        let answer = driver.register(spec, correlation).await;
        let why = match answer {
            Ok(Answer::Registered { .. }) => continue,
            Ok(Answer::Refused(Refusal::PortTaken { port, .. })) => {
                format!("{port_key}: port {port} is used by another pool")
            }
            Ok(other) => format!("pool.{name}: refused: {other:?}"),
            Err(gone) => format!("pool.{name}: {gone}"),
        };
        return Err(StartError::Register(why));
    }
    Ok(())
}

/// The seed of every jitter: the same for a host and state directory, so that a restart of the daemon
/// does not change what was planned.
fn host_seed(state_dir: &StateDir) -> u64 {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    xxh3_64(format!("{}\0{}", machine.trim(), state_dir.path().display()).as_bytes())
}
