//! Makes engine processes and watches them to their end. The driver hands it [`Effect::Spawn`]; a thread of
//! its own does the making, because a clone blocks until the program runs.
//!
//! Order, for every engine: `Spawned` is sent before `Exited`; `Exited` is sent before anything of the engine is
//! cleaned up; its zombie is kept until every process it left behind is gone, so that its pid,
//! which names its session and group, cannot come to mean another process meanwhile.
//!
//! [`Effect::Spawn`]: pool_manager_core::Effect::Spawn

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use pool_manager_core::{Completion, EffectId, EngineRef, ExitStatus, SpawnError, Spawned, SpecHash};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::executor::Completions;
use crate::executor::engines::{Engines, Process};
use crate::executor::signal::sweep;
use crate::launch::{Launch, Launches};
use crate::linux::clone::{self, CloneError, Inherited, Program};
use crate::linux::reaper;
use crate::linux::tree::Marker;

/// What a service manager tells the daemon and no engine may take as said to it.
const NOT_FOR_ENGINES: [&str; 9] = [
    "CREDENTIALS_DIRECTORY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// The handle to the spawn thread; the thread ends when it is dropped, the engines do not.
#[derive(Debug)]
pub struct SpawnExecutor {
    jobs: mpsc::Sender<Job>,
    completions: Completions,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    id: EffectId,
    engine: EngineRef,
    spec: SpecHash,
}

impl SpawnExecutor {
    /// Starts the spawn thread and the reaper of orphans. To be called in a tokio runtime, and before this
    /// process changes its limits, niceness, file mode mask or environment: engines are given what it has now.
    ///
    /// # Errors
    /// No thread, no signal handler, or no `/proc`.
    pub fn start(
        engines: Engines,
        launches: Launches,
        logs_dir: PathBuf,
        completions: Completions,
    ) -> io::Result<Self> {
        reaper::become_subreaper()?;
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        runtime.spawn(reap_orphans(signal(SignalKind::child())?));
        let (jobs, queue) = mpsc::channel();
        let maker = Maker {
            engines,
            launches,
            logs_dir,
            completions: completions.clone(),
            inherited: Inherited::capture()?,
            environment: own_environment(),
            runtime,
        };
        thread::Builder::new().name("spawn".into()).spawn(move || maker.work(&queue))?;
        Ok(Self { jobs, completions })
    }

    /// Makes an engine, in the background. Completed by `Spawned`; later, if it was made, followed by one `Exited`.
    pub fn spawn(&self, id: EffectId, engine: EngineRef, spec: SpecHash) {
        if self.jobs.send(Job { id, engine, spec }).is_err() {
            tracing::error!(%engine, "the spawn thread is gone; restart the daemon");
            self.completions.completed(id, Completion::Spawned(Err(SpawnError::NoResources)));
        }
    }
}

/// The spawn thread.
struct Maker {
    engines: Engines,
    launches: Launches,
    logs_dir: PathBuf,
    completions: Completions,
    inherited: Inherited,
    environment: BTreeMap<OsString, OsString>,
    runtime: Handle,
}

impl Maker {
    fn work(self, queue: &mpsc::Receiver<Job>) {
        while let Ok(Job { id, engine, spec }) = queue.recv() {
            let made = match self.launches.get(spec) {
                Some(launch) => self.make(engine, launch),
                None => {
                    tracing::error!(%engine, spec = spec.0, "spawn of a spec that was never made known");
                    Err(SpawnError::Io(libc::EINVAL))
                }
            };
            let spawned = made.as_ref().map(|process| Spawned { pid: process.pid }).map_err(|error| *error);
            // Before the watch begins, so that no exit comes before it.
            self.completions.completed(id, Completion::Spawned(spawned));
            if let Ok(process) = made {
                self.runtime.spawn(watch(process, self.completions.clone()));
            }
        }
    }

    fn make(&self, engine: EngineRef, launch: Arc<Launch>) -> Result<Arc<Process>, SpawnError> {
        let marker = Marker::new(&launch.pool, engine.incarnation, self.engines.state_dir());
        let program = self.program(&launch, &marker)?;
        let log = log_path(&self.logs_dir, &launch, engine);
        let output = open_log(&log).map_err(|error| {
            tracing::error!(%engine, log = %log.display(), %error, "log cannot be opened");
            spawn_error(error.raw_os_error().unwrap_or(libc::EIO))
        })?;
        let name = launch.argv.first().cloned().unwrap_or_default();
        let make = || clone::spawn(&program, &self.inherited, output.as_fd());
        self.engines.enter(engine, (launch, log, marker), make).map_err(|error: CloneError| {
            tracing::warn!(%engine, program = %name, %error, "engine could not be started");
            spawn_error(error.errno)
        })
    }

    fn program(&self, launch: &Launch, marker: &Marker) -> Result<Program, SpawnError> {
        let mut environment = self.environment.clone();
        let mut set = |name: &str, value: &str| environment.insert(name.into(), value.into());
        for (name, value) in &launch.env {
            set(name, value);
        }
        for (name, value) in marker.variables() {
            set(name, value);
        }
        // vLLM renames its processes by writing over the environment, and the marker with it.
        set("SPT_NOENV", "1");
        let pairs = environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        Program::new(&launch.argv, pairs, launch.working_dir.as_deref(), launch.core_dumps).map_err(|error| {
            tracing::error!(pool = %launch.pool, %error, "argv, environment or working directory holds a NUL byte");
            SpawnError::Io(libc::EINVAL)
        })
    }
}

/// Where an engine's output goes: `<logs>/<pool>/<epoch>.<n>.log`.
fn log_path(logs_dir: &Path, launch: &Launch, engine: EngineRef) -> PathBuf {
    logs_dir.join(launch.pool.as_str()).join(format!("{}.log", engine.incarnation))
}

fn open_log(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    // For append: the follower may cut the front off a log while the engine writes.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn own_environment() -> BTreeMap<OsString, OsString> {
    let ours = |name: &OsString| NOT_FOR_ENGINES.iter().any(|not| name == not);
    std::env::vars_os().filter(|(name, _)| !ours(name)).collect()
}

fn spawn_error(errno: i32) -> SpawnError {
    match errno {
        libc::EACCES | libc::EPERM => SpawnError::Denied,
        libc::ENOENT | libc::ENOTDIR | libc::ENOEXEC => SpawnError::NotFound,
        libc::ENOMEM | libc::EAGAIN | libc::EMFILE | libc::ENFILE => SpawnError::NoResources,
        other => SpawnError::Io(other),
    }
}

/// From its spawn until nothing is left of it.
async fn watch(process: Arc<Process>, completions: Completions) {
    let status = ended(&process).await;
    completions.exited(process.engine, status);
    let clean_up = tokio::task::spawn_blocking(move || {
        sweep(&process);
        Engines::give_back(&process);
        Engines::reap_strays();
    });
    if let Err(error) = clean_up.await {
        tracing::error!(%error, "cleaning up after an engine failed");
    }
}

/// Waits for the end and reads the status; the zombie stays.
async fn ended(process: &Process) -> ExitStatus {
    const POLL: Duration = Duration::from_millis(20);
    loop {
        if let Err(error) = process.pidfd.exited().await {
            tracing::warn!(engine = %process.engine, %error, "engine's end cannot be waited for; looking every 20 ms");
            tokio::time::sleep(POLL).await;
        }
        match process.pidfd.peek() {
            Ok(Some(status)) => return status,
            // A traced process has ended for its tracer first.
            Ok(None) => tokio::time::sleep(POLL).await,
            Err(error) => {
                tracing::error!(engine = %process.engine, %error, "engine's exit status was taken by someone else");
                return ExitStatus::Unknown;
            }
        }
    }
}

/// Orphans that end are reaped as they do.
async fn reap_orphans(mut child_ended: tokio::signal::unix::Signal) {
    while child_ended.recv().await.is_some() {
        // Listing children reads files, and may wait for an engine that is being made.
        let _ = tokio::task::spawn_blocking(Engines::reap_strays).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_mean_what_the_core_says_they_mean() {
        let expected = [
            (libc::EPERM, SpawnError::Denied),
            (libc::EACCES, SpawnError::Denied),
            (libc::ENOENT, SpawnError::NotFound),
            (libc::ENOTDIR, SpawnError::NotFound),
            (libc::ENOEXEC, SpawnError::NotFound),
            (libc::EAGAIN, SpawnError::NoResources),
            (libc::EMFILE, SpawnError::NoResources),
            (libc::E2BIG, SpawnError::Io(libc::E2BIG)),
        ];
        for (errno, error) in expected {
            assert_eq!(spawn_error(errno), error, "{errno}");
        }
    }
}
