//! A pool's table, read and found right; and how [`PoolSpec`] and [`Launch`] are made of it. It is
//! kept with the pool, so that a reload can ask for the same pool with another model.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_manager_core::{CatalogEntry, EngineSpec, PerformanceHints, Policy, PoolName, PoolSpec};

use super::argv::Values;
use super::errors::quoted;
use super::host_files::{HostFiles, ModelFiles};
use super::preset::{Health, Preset};
use super::spec_hash::spec_hash;
use super::units::LONGEST;
use crate::launch::{Endpoint, Launch, ModelSource};

/// Everything a pool's table says.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) name: PoolName,
    pub(super) preset: &'static Preset,
    /// The program, then arguments with placeholders.
    pub(super) command: Vec<String>,
    /// Whether the model must be a path.
    pub(super) model_is_path: bool,
    pub(super) model: Option<String>,
    /// Where this model is fetched from; another has another address.
    pub(super) model_source: ModelSource,
    /// The model's size where the operator states it.
    pub(super) model_bytes: Option<u64>,
    /// The exact size of the model's file, where the operator states it.
    pub(super) size_bytes: Option<u64>,
    /// The name of model and digest in the operator's catalog.
    pub(super) catalog_id: Option<String>,
    pub(super) hints: PerformanceHints,
    pub(super) port: Option<u16>,
    pub(super) devices: Vec<String>,
    /// Whether the GPU library is asked for the devices before a start.
    pub(super) checks_devices: bool,
    pub(super) engine_version: Option<String>,
    pub(super) digest: Option<String>,
    /// Values may be secrets.
    pub(super) env: BTreeMap<String, String>,
    pub(super) working_dir: Option<PathBuf>,
    pub(super) autostart: bool,
    pub(super) core_dumps: bool,
    pub(super) health_path: Option<String>,
    pub(super) live_path: Option<String>,
    pub(super) policy: Policy,
    pub(super) start_timeout_given: bool,
}

impl fmt::Debug for Recipe {
    /// The name only: values of the environment may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Recipe {
    /// What the core and the executors are given.
    ///
    /// The error is what is wrong with an argument.
    pub(super) fn build(&self, files: &dyn HostFiles) -> Result<(PoolSpec, Launch), String> {
        let launch = self.launch()?;
        let mut policy = self.policy.clone();
        if !self.start_timeout_given {
            policy.start.timeout = self.start_timeout(files);
        }
        let engine = EngineSpec {
            hash: spec_hash(&launch, self.port),
            catalog: launch.catalog.clone(),
            device_mask: self.devices.clone(),
            port: self.port,
            hints: self.hints,
        };
        let spec = PoolSpec { name: self.name.clone(), engine, policy, autostart: self.autostart };
        Ok((spec, launch))
    }

    /// The same pool with another model, of which neither source, digest, size, catalog id nor speed is known.
    ///
    /// The error is one line that says why it cannot serve that model.
    pub(super) fn with_model(&self, model: &str) -> Result<Self, String> {
        if self.model.as_deref() == Some(model) {
            return Ok(self.clone());
        }
        check_model(model, self.model_is_path)?;
        let other = Self {
            model: Some(model.to_owned()),
            model_source: ModelSource::default(),
            model_bytes: None,
            size_bytes: None,
            catalog_id: None,
            digest: None,
            hints: PerformanceHints::default(),
            ..self.clone()
        };
        if other.argv()? == self.argv()? {
            return Err(
                "the pool's command has no ${MODEL}, so it cannot be given another model; add it to command"
                    .to_owned(),
            );
        }
        Ok(other)
    }

    fn argv(&self) -> Result<Vec<String>, String> {
        let values = Values {
            port: self.port,
            model: self.model.as_deref(),
            devices: &self.devices,
            slots: self.policy.lease.slots,
        };
        let program = self.command.first().cloned().into_iter().map(Ok);
        program.chain(self.command.iter().skip(1).map(|arg| values.expand(arg))).collect()
    }

    fn launch(&self) -> Result<Launch, String> {
        let catalog = CatalogEntry {
            id: self.catalog_id.clone(),
            engine: self.preset.name.to_owned(),
            engine_version: self.engine_version.clone(),
            model: self.model.clone().unwrap_or_default(),
            digest: self.digest.clone(),
        };
        let [readiness, liveness] = self.endpoints();
        Ok(Launch {
            pool: self.name.clone(),
            argv: self.argv()?,
            env: self.environment(),
            working_dir: self.working_dir.clone(),
            model_path: self.model_path().map(Path::to_path_buf),
            model_source: self.model_source.clone(),
            hints: self.hints,
            readiness,
            liveness,
            url: self.url(),
            catalog,
            device_mask: self.devices.clone(),
            size_bytes: self.size_bytes,
            check_devices: self.checks_devices,
            slots: self.policy.lease.slots,
            core_dumps: self.core_dumps,
        })
    }

    /// The operator's variables and the device mask. The mask is never left unset, because an
    /// engine without one sees every GPU.
    fn environment(&self) -> Vec<(String, String)> {
        let mut env = self.env.clone();
        env.insert("CUDA_VISIBLE_DEVICES".to_owned(), self.devices.join(","));
        let by_index = |device: &String| device.bytes().all(|b| b.is_ascii_digit());
        if self.devices.iter().any(by_index) {
            // CUDA counts the fastest first, everything else on the host counts by PCI address.
            env.entry("CUDA_DEVICE_ORDER".to_owned()).or_insert_with(|| "PCI_BUS_ID".to_owned());
        }
        env.into_iter().collect()
    }

    /// Readiness and liveness.
    fn endpoints(&self) -> [Endpoint; 2] {
        let Some(port) = self.port else { return [Endpoint::None, Endpoint::None] };
        match self.preset.health {
            Health::Process => [Endpoint::None, Endpoint::None],
            Health::Tcp => [Endpoint::Tcp { port }, Endpoint::Tcp { port }],
            Health::Http { ready, live } => {
                let ready = self.health_path.as_deref().unwrap_or(ready);
                let live = self.live_path.as_deref().or(live).unwrap_or(ready);
                [ready, live].map(|path| Endpoint::Http { port, path: path.to_owned() })
            }
        }
    }

    fn url(&self) -> Option<String> {
        let scheme = match self.preset.health {
            Health::Http { .. } => "http",
            Health::Tcp | Health::Process => "tcp",
        };
        self.port.map(|port| format!("{scheme}://127.0.0.1:{port}"))
    }

    fn model_path(&self) -> Option<&Path> {
        self.model.as_deref().map(Path::new).filter(|model| model.is_absolute())
    }

    /// The preset's patience, and 20 s more for each whole GiB to load.
    fn start_timeout(&self, files: &dyn HostFiles) -> Duration {
        const PER_GIB: Duration = Duration::from_secs(20);
        let on_disk = || match self.model_path().map(|path| files.model(path)) {
            Some(ModelFiles::Bytes(bytes)) => bytes,
            Some(ModelFiles::Missing | ModelFiles::Unknown) | None => 0,
        };
        let gib = self.size_bytes.or(self.model_bytes).unwrap_or_else(on_disk) >> 30;
        let more = PER_GIB.saturating_mul(u32::try_from(gib).unwrap_or(u32::MAX));
        self.policy.start.timeout.saturating_add(more).min(LONGEST)
    }
}

/// Whether this text can name a model. It becomes an argument of its own, so it must not look like
/// a flag; and the daemon's working directory means nothing to anybody.
pub(super) fn check_model(model: &str, is_path: bool) -> Result<(), String> {
    let shown = quoted(model);
    if model.is_empty() {
        return Err("is empty; write the path or name of a model".to_owned());
    }
    if model.starts_with('-') || model.chars().any(char::is_control) {
        return Err(format!("{shown} cannot be a model; write a path or a name"));
    }
    if !model.starts_with('/') && (is_path || model.starts_with(['.', '~'])) {
        return Err(format!("{shown} is not an absolute path; write it from / on"));
    }
    Ok(())
}
