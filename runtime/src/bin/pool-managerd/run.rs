//! `pool-managerd run`: from a config or the demo to a daemon that runs, and to its exit status.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use pool_manager::config::{Config, PoolConfig, Secret};
use pool_manager::control::{PoolList, Tokens};
use pool_manager::daemon::{self, Pool, Readiness, Running, Setup, StartError};
use pool_manager::models::WithModel;
use pool_manager::{demo, table, telemetry};
use tempfile::TempDir;

use crate::{Run, complain, say};

/// Longest wait at the exit for threads that clean up after engines.
const STRAGGLERS_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for the demo's two pools.
const DEMO_READY_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn run(run: &Run) -> ExitCode {
    let level = run.log.as_deref().unwrap_or(if run.what.demo { "warn" } else { "info" });
    let result = telemetry::start(run.log_format, level).and_then(|_log| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start the runtime: {error}"))?;
        let ended = match &run.what.config {
            Some(path) => runtime.block_on(from_config(path)),
            None => runtime.block_on(from_demo()),
        };
        // A thread may wait for a process or a disk that never answers; the exit does not.
        runtime.shutdown_timeout(STRAGGLERS_WITHIN);
        ended
    });
    match result {
        Ok(stuck) if stuck.is_empty() => ExitCode::SUCCESS,
        Ok(stuck) => {
            complain(&format!(
                "engines of these pools outlived KILL and still run: {}; look for processes in state D",
                stuck.join(", ")
            ));
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn from_config(path: &Path) -> Result<Vec<String>, String> {
    let config = Config::load(path).map_err(|errors| errors.to_string())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let running =
        daemon::start(setup(config)?).await.map_err(|error| format!("{}: {error}", path.display()))?;
    tracing::info!(address = %running.address, "control API ready");
    ended(running).await
}

fn setup(config: Config) -> Result<Setup, String> {
    let Config { control, state_dir, host, pools, .. } = config;
    let found = control.read_tokens().map_err(|errors| errors.to_string())?;
    let [read, admin] = [&found.read, &found.admin].map(|token| token.as_ref().map(Secret::expose));
    let pools = pools.into_iter().map(of_config).collect();
    Ok(Setup {
        listen: control.listen,
        tokens: Tokens::new(read, admin),
        state_dir,
        shutdown_deadline: host.shutdown_deadline,
        limiter: host.limiter,
        pools,
    })
}

fn of_config(pool: PoolConfig) -> Pool {
    Pool {
        port_key: pool.port_key(),
        spec: pool.spec.clone(),
        launch: pool.launch.clone(),
        with_model: WithModel::new(move |model| pool.engine_with_model(model)),
    }
}

async fn from_demo() -> Result<Vec<String>, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let state_dir = TempDir::with_prefix("pool-manager-demo-")
        .map_err(|error| format!("cannot make a directory for the demo's state: {error}"))?;
    let running = start_demo(&program, state_dir.path().to_owned()).await?;
    // A demo that is stopped while it loads has nothing to show.
    if let Ok(readiness) = daemon::first_readiness(&running.driver, DEMO_READY_WITHIN, progress).await {
        let pools =
            PoolList::read(&running.driver, &running.launches).await.map_err(|gone| gone.to_string())?;
        show(&program, &running, &pools, &readiness);
    }
    ended(running).await
}

/// On the usual address where it is free, so that `poolctl` needs no `--url`.
async fn start_demo(program: &Path, state_dir: PathBuf) -> Result<Running, String> {
    let setup = |listen: SocketAddr| {
        demo::setup(program, state_dir.clone(), listen).map_err(|error| format!("no free port: {error}"))
    };
    let usual = demo::default_address();
    let started = match daemon::start(setup(usual)?).await {
        Err(StartError::Listen(..)) => daemon::start(setup(SocketAddr::new(usual.ip(), 0))?).await,
        started => started,
    };
    started.map_err(|error| error.to_string())
}

fn progress(readiness: &Readiness) {
    let waiting: Vec<String> =
        readiness.others.iter().map(|(name, phase)| format!("{name} ({})", phase.label())).collect();
    complain(&format!("waiting for {}", waiting.join(", ")));
}

fn show(program: &Path, running: &Running, pools: &PoolList, readiness: &Readiness) {
    let [why, drain, preload] = demo::next_commands(program, running.address);
    let heading = if readiness.others.is_empty() {
        format!("{} pools ready", readiness.ready.len())
    } else {
        progress(readiness);
        format!("{} of {} pools ready", readiness.ready.len(), pools.pools.len())
    };
    say(&format!(
        "{heading}; control API on http://{address}\n\n{table}\n\nTry next, in another terminal:\n  {why}\n  {drain}\n  {preload}\n\nCtrl-C drains and stops everything.\n",
        address = running.address,
        table = table::pools(pools).trim_end(),
    ));
}

async fn ended(running: Running) -> Result<Vec<String>, String> {
    running.until_signalled().await.map_err(|error| format!("the supervisor failed: {error}"))
}
