//! The config file: what `pool-managerd run`, `check` and `apply` read, and the simulator too.
//!
//! [`Config::load`] reads a file on this host and looks at the programs and secret files it names;
//! [`Config::parse`] reads text and looks at nothing else. Either way every fault of the file is
//! found in one pass and reported as one line with file, line and key, and there is no half config:
//! all is right or nothing is returned.
//!
//! Inside: `document` turns text into a tree with line numbers, `reader` takes typed values out of
//! a table, `control`, `limiter`, `pool`, `policy` and `restart` ask for the keys, `preset` knows the engines, `recipe`
//! and `argv` make a [`Launch`] of it, `spec_hash` names it, `host_files` looks at the host.
//!
//! # Reference
//!
//! Every key; `pool-managerd config-reference` prints the same text. Keys shown as comments are
//! optional, with their default.
//!
//! ```toml
#![doc = include_str!("reference.toml")]
//! ```

mod argv;
mod control;
mod document;
mod errors;
mod host_files;
mod limiter;
mod policy;
mod pool;
mod preset;
mod reader;
mod recipe;
mod restart;
mod source;
mod spec_hash;
mod units;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_manager_core::{EngineSpec, HostConfig, LimiterPolicy, PoolSpec};

pub use control::{ControlConfig, Secret, Tokens};
pub use errors::{ConfigError, ConfigErrors};

use crate::launch::Launch;
use errors::Faults;
use host_files::{HostFiles, OnDisk, Unchecked};
use reader::Reader;
use recipe::Recipe;
use units::Bounds;

/// A commented config file that has every key.
pub const REFERENCE: &str = include_str!("reference.toml");

/// A config file found right.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the control API listens and who may use it.
    pub control: ControlConfig,
    /// Where journal, logs, PID and handoff files are kept; an absolute path.
    pub state_dir: PathBuf,
    /// What concerns the whole host.
    pub host: HostSettings,
    /// In the order of the file.
    pub pools: Vec<PoolConfig>,
    /// What is legal but probably not meant; one line each, like the errors.
    pub warnings: Vec<String>,
}

/// What concerns the whole host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Longest drain of a shutdown.
    pub shutdown_deadline: Duration,
    /// How many engines may load at once.
    pub limiter: LimiterPolicy,
}

/// One pool: what the core is told of it and how its engine is started.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// For the core.
    pub spec: PoolSpec,
    /// For the executors, under `spec.engine.hash`.
    pub launch: Launch,
    /// Where the pool stands, for faults that show later, such as a port in use.
    pub origin: Origin,
    recipe: Recipe,
}

/// Where a pool stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it was named by the caller.
    pub file: String,
    /// Line of the pool's table.
    pub line: Option<u32>,
    /// Line of its `port` key; `None`: it has no port.
    pub port_line: Option<u32>,
}

impl Config {
    /// Reads a file and looks at the programs, folders and secret files it names.
    ///
    /// # Errors
    /// Everything that is wrong, one line each; a file that cannot be read is one such line. A
    /// model that is not there is only a warning: its pool is held and looks again.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let unreadable = |message: String| {
            ConfigErrors::from(ConfigError { file: name.clone(), line: None, key: String::new(), message })
        };
        let bytes = std::fs::read(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8 text".to_owned()))?;
        Self::read(&text, &name, &OnDisk::new())
    }

    /// Reads text. No file is looked at: programs keep the name they are written with, `env_file`
    /// and model sizes count for nothing. `name` stands for the file in errors.
    ///
    /// # Errors
    /// Everything that is wrong, one line each.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigErrors> {
        Self::read(text, name, &Unchecked)
    }

    fn read(text: &str, name: &str, files: &dyn HostFiles) -> Result<Self, ConfigErrors> {
        let faults = Faults::new(name);
        let Some(tree) = document::parse(text, &faults) else { return Err(faults.into_errors()) };
        let lines = document::Lines::of(text);
        let config = Self::read_tree(Reader::root(tree.get_ref(), &lines, &faults), name, files);
        let warnings = faults.into_result()?;
        Ok(Self { warnings, ..config })
    }

    fn read_tree(keys: Reader<'_>, name: &str, files: &dyn HostFiles) -> Self {
        let control = control::read(keys.section("control"), name, files);
        let tables = keys.named_tables("pool");
        if tables.is_empty() && !keys.has("pool") {
            keys.faults.warn(keys.own_place(), "no pool is configured; add a table like [pool.chat]");
        }
        check_names(&tables, keys.faults);
        check_ports(&tables, control.listen.port());
        let pools = tables.into_iter().filter_map(|(pool, table)| pool::read(&pool, table, name, files));
        let pools = pools.collect();
        let default = HostConfig::default().shutdown_deadline;
        let host = HostSettings {
            shutdown_deadline: keys.duration("shutdown_deadline", default, Bounds::FROM_ZERO),
            limiter: limiter::read(keys.section("limiter")),
        };
        let state_dir = state_dir(&keys, files);
        keys.finish();
        Self { control, state_dir, host, pools, warnings: Vec::new() }
    }
}

impl PoolConfig {
    /// Where its port is configured, as errors name it: `host.toml:12: pool.chat.port`.
    #[must_use]
    pub fn port_key(&self) -> String {
        let Origin { file, line, port_line } = &self.origin;
        let line = port_line.or(*line).map_or(String::new(), |line| format!(":{line}"));
        format!("{file}{line}: pool.{}.port", self.spec.name)
    }

    /// The same pool with another model, as a reload asks for. The model's digest is not known
    /// then, and the start time-out follows its size, unless the file gives one.
    ///
    /// # Errors
    /// One line that says why the pool cannot serve that model.
    pub fn with_model(&self, model: &str) -> Result<Self, ConfigErrors> {
        let refused = |message: String| ConfigError {
            file: self.origin.file.clone(),
            line: self.origin.line,
            key: format!("pool.{}.model", self.spec.name),
            message,
        };
        let recipe = self.recipe.with_model(model).map_err(refused)?;
        let (spec, launch) = recipe.build(&OnDisk::new()).map_err(refused)?;
        Ok(Self { spec, launch, origin: self.origin.clone(), recipe })
    }

    /// As [`with_model`](Self::with_model), but only what a reload replaces: looks at no file, so it may be
    /// called where nothing may wait for a disk.
    ///
    /// # Errors
    /// One line that says why the pool cannot serve that model, without its place in the file.
    pub fn engine_with_model(&self, model: &str) -> Result<(EngineSpec, Launch), String> {
        let (spec, launch) = self.recipe.with_model(model)?.build(&Unchecked)?;
        Ok((spec.engine, launch))
    }
}

fn state_dir(keys: &Reader<'_>, files: &dyn HostFiles) -> PathBuf {
    let Some(written) = keys.string("state_dir") else {
        let default = if keys.has("state_dir") { Ok(PathBuf::new()) } else { files.state_dir() };
        return default.unwrap_or_else(|why| {
            keys.error("state_dir", why);
            PathBuf::new()
        });
    };
    if !Path::new(&written).is_absolute() {
        let shown = errors::quoted(&written);
        keys.error("state_dir", format!("{shown} is not an absolute path; write it from / on"));
    }
    PathBuf::from(written)
}

/// Names that differ only in case would be taken for one another by people and by file systems.
fn check_names(tables: &[(String, Reader<'_>)], faults: &Faults) {
    for (i, (name, table)) in tables.iter().enumerate() {
        let twin = tables[..i].iter().find(|(earlier, _)| earlier.eq_ignore_ascii_case(name));
        if let Some((twin, at)) = twin {
            let line = at.own_place().line.unwrap_or_default();
            let why = format!("differs from pool {twin:?} (line {line}) only in case; choose another name");
            faults.error(table.own_place(), why);
        }
    }
}

/// Also among pools with other faults: the next attempt should not find a new one.
fn check_ports(tables: &[(String, Reader<'_>)], control_port: u16) {
    let port_of = |table: &Reader<'_>| table.peek_integer("port");
    for (i, (_, table)) in tables.iter().enumerate() {
        let Some(port) = port_of(table) else { continue };
        if port == u32::from(control_port) {
            let why = format!("{port} is the port of the control API (control.listen); choose another one");
            table.error("port", why);
        }
        let twin = tables[..i].iter().find(|(_, earlier)| port_of(earlier) == Some(port));
        if let Some((name, twin)) = twin {
            let line = twin.place("port").line.unwrap_or_default();
            let why = format!("{port} is the port of pool {name:?} too (line {line}); choose another one");
            table.error("port", why);
        }
    }
}
