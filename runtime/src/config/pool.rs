//! One `[pool.NAME]` table: takes its keys, checks them against the engine preset and against the
//! host, and hands a [`Recipe`] on only if nothing was wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_manager_core::{PerformanceHints, Policy, PoolName};

use super::argv::{Values, is_flag, preset_args};
use super::errors::{Place, quoted};
use super::host_files::{HostFiles, ModelFiles, is_variable_name};
use super::policy;
use super::preset::{self, Call, Health, Preset};
use super::reader::Reader;
use super::recipe::{Recipe, check_model};
use super::units::Bounds;
use super::{Origin, PoolConfig, source};

/// Reads one pool's table. `None`: something was wrong and has been recorded.
pub(super) fn read(name: &str, keys: Reader<'_>, file: &str, files: &dyn HostFiles) -> Option<PoolConfig> {
    let faults_before = keys.faults.count();
    let table = Table { preset: engine(&keys), keys: &keys, files };
    let recipe = table.recipe(name);
    let origin = Origin {
        file: file.to_owned(),
        line: keys.own_place().line,
        port_line: keys.has("port").then(|| keys.place("port").line).flatten(),
    };
    let own_place = keys.own_place().clone();
    let faults = keys.faults;
    keys.finish();
    let recipe = recipe.filter(|_| faults.count() == faults_before)?;
    // Every argument was tried before, so this finds nothing new; if it did, it would be said.
    let built = recipe.build(files).map_err(|why| faults.error(&own_place, why)).ok()?;
    Some(PoolConfig { spec: built.0, launch: built.1, origin, recipe })
}

fn engine(keys: &Reader<'_>) -> Option<&'static Preset> {
    if !keys.has("engine") {
        let names: Vec<&str> = preset::ALL.iter().map(|(name, _)| *name).collect();
        keys.error("engine", format!("missing; write one of: {}", names.join(", ")));
        return None;
    }
    keys.choice("engine", "an engine preset", &preset::ALL)
}

fn hints(keys: Reader<'_>) -> PerformanceHints {
    let first_token = keys.has("first_token");
    let hints = PerformanceHints {
        tokens_per_second: keys.integer("tokens_per_second", 1..=100_000_000),
        first_token: Some(keys.duration("first_token", Duration::ZERO, Bounds::POSITIVE))
            .filter(|_| first_token),
    };
    keys.finish();
    hints
}

/// The table while it is read.
struct Table<'r, 'd> {
    keys: &'r Reader<'d>,
    /// `None`: not known, which has been recorded.
    preset: Option<&'static Preset>,
    files: &'r dyn HostFiles,
}

impl Table<'_, '_> {
    /// Asks for every key, also when an earlier one was wrong.
    fn recipe(&self, name: &str) -> Option<Recipe> {
        let keys = self.keys;
        let name = PoolName::new(name).map_err(|why| keys.faults.error(keys.own_place(), why.to_string()));
        let default_policy = self.preset.map_or_else(Policy::default, Preset::policy);
        let written = policy::read(keys, &default_policy);
        let model = self.model();
        let port = keys.integer("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
        let devices = self.devices();
        let command = self.command(model.as_deref(), port, &devices, written.policy.lease.slots);
        let model_bytes = keys.size("model_size");
        let size_bytes = self.size_bytes();
        let catalog_id = self.catalog_id();
        let hints = hints(keys.section("hints"));
        let engine_version = keys.string("engine_version");
        let digest = self.digest();
        let env = self.env();
        let token_file = self.absolute_path("model_token_file", true);
        let model_source = source::read(keys, model.as_deref(), token_file.as_deref(), self.files);
        let checks_devices = keys.boolean("check_devices", self.knows_its_devices());
        let working_dir = self.working_dir();
        let autostart = keys.boolean("autostart", true);
        let core_dumps = keys.boolean("core_dumps", false);
        let [health_path, live_path] = ["health_path", "live_path"].map(|key| self.probe_path(key));
        self.check_required();
        Some(Recipe {
            name: name.ok()?,
            preset: self.preset?,
            command: command?,
            model_is_path: self.call().is_some_and(|call| call.model_is_path),
            model,
            model_source,
            model_bytes,
            size_bytes,
            catalog_id,
            hints,
            port,
            devices,
            checks_devices,
            engine_version,
            digest,
            env,
            working_dir,
            autostart,
            core_dumps,
            health_path,
            live_path,
            policy: written.policy,
            start_timeout_given: written.start_timeout_given,
        })
    }

    /// How the preset calls its engine, unless the file gives a `command`.
    fn call(&self) -> Option<&'static Call> {
        self.preset.and_then(|preset| preset.call.as_ref()).filter(|_| !self.keys.has("command"))
    }

    /// Only presets that know their engine know that it is CUDA that reads the mask.
    fn knows_its_devices(&self) -> bool {
        self.preset.is_some_and(|preset| preset.call.is_some())
    }

    fn needs_port(&self) -> bool {
        self.preset.is_some_and(|preset| preset.health != Health::Process)
    }

    fn check_required(&self) {
        let keys = self.keys;
        if self.call().is_some() && !keys.has("model") {
            keys.error("model", "missing; write model = \"/path/to/model\"");
        }
        if self.needs_port() && !keys.has("port") {
            keys.error("port", "missing; write the TCP port the engine listens on, such as port = 8081");
        }
        if self.preset.is_some_and(|preset| preset.needs_gpu) && !keys.has("devices") {
            let at = keys.place("devices");
            keys.faults.warn(&at, "missing, so the engine will see no GPU; write devices = [\"0\"]");
        }
    }

    fn model(&self) -> Option<String> {
        let model = self.keys.string("model")?;
        let is_path = self.call().is_some_and(|call| call.model_is_path);
        if let Err(why) = check_model(&model, is_path) {
            self.keys.error("model", why);
            return None;
        }
        let will_be_fetched = self.keys.has("model_url");
        if !will_be_fetched
            && model.starts_with('/')
            && self.files.model(Path::new(&model)) == ModelFiles::Missing
        {
            let why = format!("{} is not there; the pool is held until it is", quoted(&model));
            self.keys.faults.warn(&self.keys.place("model"), why);
        }
        Some(model)
    }

    /// The program and its arguments, placeholders tried but not filled in.
    fn command(
        &self,
        model: Option<&str>,
        port: Option<u16>,
        devices: &[String],
        slots: u32,
    ) -> Option<Vec<String>> {
        let keys = self.keys;
        let (binary, args, command) = (keys.string("binary"), keys.strings("args"), keys.strings("command"));
        let args = args.unwrap_or_default();
        // A key that is missing or wrong is reported as such, not by every argument that uses it.
        let values = Values {
            port: port.or((keys.has("port") || self.needs_port()).then_some(0)),
            model: model.or((keys.has("model") || self.call().is_some()).then_some("")),
            devices,
            slots,
        };
        for (arg, at) in args.iter().chain(command.iter().flatten().skip(1)) {
            if let Err(why) = values.expand(arg) {
                keys.faults.error(at, why);
            }
        }
        if keys.has("command") {
            return self.own_command(command?);
        }
        let preset = self.preset?;
        let Some(call) = &preset.call else {
            let why = format!(
                "missing; the preset {:?} knows no program, write command = [\"/path/to/program\"]",
                preset.name
            );
            keys.error("command", why);
            return None;
        };
        for (arg, at) in &args {
            self.check_preset_arg(call, arg, at);
        }
        let program = self.program(binary.as_deref().unwrap_or(call.program), &keys.place("binary"))?;
        let args: Vec<String> = args.into_iter().map(|(arg, _)| arg).collect();
        Some([vec![program], preset_args(call, &args, devices)].concat())
    }

    fn own_command(&self, command: Vec<(String, Place)>) -> Option<Vec<String>> {
        for key in ["binary", "args"] {
            if self.keys.has(key) {
                self.keys.error(key, "has no place beside command; put it into command, or remove command");
            }
        }
        let mut parts = command.into_iter();
        let Some((program, at)) = parts.next() else {
            self.keys.error("command", "is empty; write the program and its arguments");
            return None;
        };
        let program = self.program(&program, &at)?;
        Some(std::iter::once(program).chain(parts.map(|(arg, _)| arg)).collect())
    }

    fn check_preset_arg(&self, call: &Call, arg: &str, at: &Place) {
        let keyed = call.keyed.iter().find(|(flag, _)| is_flag(arg, flag));
        if let Some((flag, key)) = keyed {
            self.keys.faults.error(at, format!("{flag} is set from the key {key}; remove it here"));
        }
        if is_flag(arg, "--api-key") {
            let why = "every user of this host can see an engine's arguments; put the key into env_file";
            self.keys.faults.warn(at, why);
        }
    }

    fn program(&self, program: &str, at: &Place) -> Option<String> {
        let found = if program.is_empty() {
            Err("is empty; write the program's path".to_owned())
        } else if program.contains("${") {
            Err(format!("{} holds a placeholder; write the program itself", quoted(program)))
        } else if program.contains('/') && !program.starts_with('/') {
            let shown = quoted(program);
            Err(format!("{shown} is a relative path; write it from / on, or a bare name to look up in PATH"))
        } else {
            self.files.program(program)
        };
        found.map_err(|why| self.keys.faults.error(at, why)).ok()
    }

    fn devices(&self) -> Vec<String> {
        let mut devices: Vec<String> = Vec::new();
        for (device, at) in self.keys.strings("devices").unwrap_or_default() {
            if devices.contains(&device) {
                self.keys.faults.error(&at, format!("{} is given twice; keep one of them", quoted(&device)));
            } else if is_device(&device) {
                devices.push(device);
            } else {
                let why = "is not a GPU; write its index \"0\", its UUID \"GPU-…\", or \"MIG-…\"";
                self.keys.faults.error(&at, format!("{} {why}", quoted(&device)));
            }
        }
        devices
    }

    /// Of a folder, that of all its files together; a name says nothing about bytes.
    fn size_bytes(&self) -> Option<u64> {
        let keys = self.keys;
        let size = keys.bytes("size_bytes")?;
        if keys.has("model_size") {
            keys.error("size_bytes", "says the same as model_size, exactly; remove model_size");
        }
        Some(size)
    }

    fn catalog_id(&self) -> Option<String> {
        let id = self.keys.string("catalog_id")?;
        if id.len() > 200 || id.chars().any(|c| c.is_control() || c.is_whitespace()) {
            let shown = quoted(&id);
            self.keys
                .error("catalog_id", format!("{shown} is not an id; write at most 200 bytes without blanks"));
        }
        Some(id)
    }

    fn digest(&self) -> Option<String> {
        let digest = self.keys.string("digest")?;
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) {
            let shown = quoted(&digest);
            let why = format!("{shown} is not a digest; write \"sha256:\" and 64 lower-case hex digits");
            self.keys.error("digest", why);
        }
        Some(digest)
    }

    /// `env` and `env_file` together. No value is ever shown.
    fn env(&self) -> BTreeMap<String, String> {
        let keys = self.keys;
        let mut env = BTreeMap::new();
        let written = keys.named_strings("env");
        let from_file = self
            .absolute_path("env_file", false)
            .and_then(|path| self.files.env_file(&path).map_err(|why| keys.error("env_file", why)).ok());
        let at_file = keys.place("env_file");
        let from_file = from_file.unwrap_or_default().into_iter();
        let from_file = from_file.map(|(name, value)| (name, value.expose().to_owned(), at_file.clone()));
        for (name, value, at) in written.into_iter().chain(from_file) {
            let wrong = if !is_variable_name(&name) {
                Some(
                    "is not a variable name; write letters, digits and '_', not beginning with a digit"
                        .to_owned(),
                )
            } else if name == "CUDA_VISIBLE_DEVICES" {
                Some("CUDA_VISIBLE_DEVICES is set from the key devices; remove it here".to_owned())
            } else {
                let given = env.insert(name.clone(), value).is_some();
                given.then(|| format!("gives {name}, which env gives too; keep one of them"))
            };
            if let Some(why) = wrong {
                keys.faults.error(&at, why);
            }
        }
        env
    }

    fn working_dir(&self) -> Option<PathBuf> {
        let dir = self.absolute_path("working_dir", true)?;
        self.files.directory(&dir).map_err(|why| self.keys.error("working_dir", why)).ok()?;
        Some(dir)
    }

    /// A path; shown in a fault only where it can be no secret written in the wrong place.
    fn absolute_path(&self, key: &'static str, may_show: bool) -> Option<PathBuf> {
        let path = self.keys.string(key)?;
        if Path::new(&path).is_absolute() {
            return Some(PathBuf::from(path));
        }
        let shown = if may_show { format!("{} ", quoted(&path)) } else { String::new() };
        self.keys.error(key, format!("{shown}is not an absolute path; write it from / on"));
        None
    }

    fn probe_path(&self, key: &'static str) -> Option<String> {
        let path = self.keys.string(key)?;
        let preset = self.preset?;
        if !matches!(preset.health, Health::Http { .. }) {
            let name = preset.name;
            self.keys
                .error(key, format!("has no meaning for {name:?}, which asks no URL; use engine = \"http\""));
            return None;
        }
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            let shown = quoted(&path);
            self.keys.error(key, format!("{shown} is not a URL path; write it like \"/health\""));
            return None;
        }
        Some(path)
    }
}

/// An index without leading zeros, a GPU's UUID or its beginning, or a MIG device.
fn is_device(device: &str) -> bool {
    if let Ok(index) = device.parse::<u16>() {
        return index.to_string() == device;
    }
    let uuid = device.strip_prefix("GPU-");
    let mig = device.strip_prefix("MIG-");
    let hex = |b: u8| b.is_ascii_hexdigit() || b == b'-';
    uuid.is_some_and(|uuid| !uuid.is_empty() && uuid.bytes().all(hex))
        || mig.is_some_and(|mig| {
            !mig.is_empty() && mig.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'/')
        })
}
