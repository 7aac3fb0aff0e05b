//! How one spec is executed: what the core only knows as a [`SpecHash`]. Made by `config`, read by
//! the executors; nothing here decides.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pool_manager_core::{CatalogEntry, PerformanceHints, PoolName, SpecHash};

/// Everything an executor needs to start, probe and describe an engine.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    /// The pool it belongs to; names log directory, PID file and handoff file.
    pub pool: PoolName,
    /// Program (an absolute path) and arguments, all placeholders filled in. Holds no secret.
    pub argv: Vec<String>,
    /// Environment added to the daemon's own; values may be secrets and are never shown.
    pub env: Vec<(String, String)>,
    /// Where it runs; `None`: the daemon's working directory.
    pub working_dir: Option<PathBuf>,
    /// A file or folder that must be there and readable before a spawn makes sense; `None`: the model is not
    /// a path.
    pub model_path: Option<PathBuf>,
    /// Where the model comes from when it is not there.
    pub model_source: ModelSource,
    /// Asked until the engine is ready.
    pub readiness: Endpoint,
    /// Asked while it is.
    pub liveness: Endpoint,
    /// Where clients reach it; `None`: it has no port.
    pub url: Option<String>,
    /// What the handoff file and the registry say it is.
    pub catalog: CatalogEntry,
    /// What the operator measured of it, for routers.
    pub hints: PerformanceHints,
    /// The exact size of the model's file in bytes, where the operator states it; of a folder, of all its files
    /// together.
    pub size_bytes: Option<u64>,
    /// GPUs it may touch, as configured.
    pub device_mask: Vec<String>,
    /// Whether the GPU library is asked before each start if the devices of the mask are there.
    pub check_devices: bool,
    /// Leases it may serve at once.
    pub slots: u32,
    /// Whether a crash may write a core dump.
    pub core_dumps: bool,
}

impl fmt::Debug for Launch {
    /// Names of environment variables only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Launch")
            .field("pool", &self.pool)
            .field("argv", &self.argv)
            .field("env", &env)
            .field("model_path", &self.model_path)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Where a model can be fetched.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ModelSource {
    /// `http://` or `https://`; fetched into the launch's `model_path`. `None`: the operator puts it there.
    /// User info and query may be secrets and are never shown.
    pub url: Option<String>,
    /// Sent as a bearer token with the request, to the first host only; a secret.
    pub token: Option<String>,
}

impl fmt::Debug for ModelSource {
    /// Not the URL nor the token: both may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSource").field("is_url", &self.url.is_some()).finish_non_exhaustive()
    }
}

/// What is asked to know an engine's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Nothing: healthy as long as the process exists.
    None,
    /// A TCP connection to 127.0.0.1.
    Tcp {
        /// The port.
        port: u16,
    },
    /// `GET` on 127.0.0.1; healthy is 200, loading is 503, everything else is unhealthy.
    Http {
        /// The port.
        port: u16,
        /// Path and query, beginning with `/`.
        path: String,
    },
}

/// The launches known to this daemon, by hash. One that was kept is never removed: an engine that runs may be
/// asked about until it is gone.
#[derive(Clone, Debug, Default)]
pub struct Launches {
    by_hash: Arc<Mutex<BTreeMap<SpecHash, Known>>>,
}

#[derive(Debug)]
struct Known {
    launch: Arc<Launch>,
    /// For good; else as long as somebody reserves it.
    kept: bool,
    reserved: u32,
}

/// A launch made known for a command that may be refused: forgotten with this, unless it is kept.
#[derive(Debug)]
#[must_use]
pub struct Reserved {
    launches: Launches,
    hash: SpecHash,
}

impl Reserved {
    /// The command was accepted: the launch is known for good.
    pub fn keep(self) {
        if let Some(known) = self.launches.lock().get_mut(&self.hash) {
            known.kept = true;
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut by_hash = self.launches.lock();
        let Some(known) = by_hash.get_mut(&self.hash) else { return };
        known.reserved = known.reserved.saturating_sub(1);
        if !known.kept && known.reserved == 0 {
            by_hash.remove(&self.hash);
        }
    }
}

impl Launches {
    /// Makes a launch known. One of the same hash is replaced: it executes the same, but slots and
    /// health paths, which are policy, may differ.
    pub fn insert(&self, hash: SpecHash, launch: Launch) {
        let mut by_hash = self.lock();
        let reserved = by_hash.get(&hash).map_or(0, |known| known.reserved);
        by_hash.insert(hash, Known { launch: Arc::new(launch), kept: true, reserved });
    }

    /// Makes a launch known as long as the answer lives, and for good once it is kept.
    pub fn reserve(&self, hash: SpecHash, launch: Launch) -> Reserved {
        let mut by_hash = self.lock();
        let new = || Known { launch: Arc::new(launch), kept: false, reserved: 0 };
        by_hash.entry(hash).or_insert_with(new).reserved += 1;
        Reserved { launches: self.clone(), hash }
    }

    /// The launch of a spec the core was given; `None` is a bug of the caller.
    #[must_use]
    pub fn get(&self, hash: SpecHash) -> Option<Arc<Launch>> {
        self.lock().get(&hash).map(|known| known.launch.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SpecHash, Known>> {
        self.by_hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: SpecHash = SpecHash(7);

    fn launch() -> Launch {
        Launch {
            pool: PoolName::new("chat").expect("a name"),
            argv: vec!["/bin/engine".into()],
            env: Vec::new(),
            working_dir: None,
            model_path: None,
            model_source: ModelSource::default(),
            readiness: Endpoint::None,
            liveness: Endpoint::None,
            url: None,
            catalog: CatalogEntry {
                id: None,
                engine: "e".into(),
                engine_version: None,
                model: "m".into(),
                digest: None,
            },
            hints: PerformanceHints::default(),
            size_bytes: None,
            device_mask: Vec::new(),
            check_devices: false,
            slots: 1,
            core_dumps: false,
        }
    }

    fn known(launches: &Launches) -> bool {
        launches.get(HASH).is_some()
    }

    #[test]
    fn what_was_reserved_for_a_refused_command_is_forgotten() {
        let launches = Launches::default();
        let (one, another) = (launches.reserve(HASH, launch()), launches.reserve(HASH, launch()));
        drop(one);
        assert!(known(&launches), "somebody else still asks for it");
        drop(another);
        assert!(!known(&launches));
    }

    #[test]
    fn what_was_kept_stays_whoever_is_refused_later() {
        let launches = Launches::default();
        launches.reserve(HASH, launch()).keep();
        drop(launches.reserve(HASH, launch()));
        assert!(known(&launches));
        launches.insert(SpecHash(8), launch());
        drop(launches.reserve(SpecHash(8), launch()));
        assert!(launches.get(SpecHash(8)).is_some());
    }
}
