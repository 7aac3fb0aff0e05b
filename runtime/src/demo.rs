//! The demo: two pools of stub engines, without GPU, model or config file. Called by `pool-managerd run
//! --demo`; what it sets up is an ordinary [`Setup`], run by the ordinary daemon.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_manager_core::{
    CatalogEntry, EngineSpec, LeasePolicy, LimiterPolicy, PerformanceHints, Policy, PoolName, PoolSpec,
    SpecHash,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::control::Tokens;
use crate::daemon::{Pool, Setup};
use crate::launch::{Endpoint, Launch, ModelSource};
use crate::models::WithModel;

/// The word that makes the daemon's program a stub engine.
pub const ENGINE_WORD: &str = "stub-engine";

/// Name and load time of the demo's pools.
const POOLS: [(&str, &str); 2] = [("chat", "1s"), ("code", "2s")];

/// Leases a demo pool may have at once.
const SLOTS: u32 = 4;

/// Sets the demo up: `program` is the daemon's own, `state_dir` an empty directory.
///
/// # Errors
/// No free port.
pub fn setup(program: &Path, state_dir: PathBuf, listen: SocketAddr) -> io::Result<Setup> {
    let ports = free_ports()?;
    let pools =
        POOLS.into_iter().zip(ports).map(|((name, load_time), port)| pool(program, name, load_time, port));
    Ok(Setup {
        listen,
        tokens: Tokens::open(),
        state_dir,
        shutdown_deadline: Duration::from_secs(60),
        limiter: LimiterPolicy::default(),
        pools: pools.collect(),
    })
}

/// Three commands to try next, for a control API at `address`.
#[must_use]
pub fn next_commands(program: &Path, address: SocketAddr) -> [String; 3] {
    let poolctl = poolctl(program);
    let url = if address == default_address() { String::new() } else { format!(" --url http://{address}") };
    [
        format!("{poolctl}{url} why chat"),
        format!("{poolctl}{url} drain chat --deadline 10s --wait"),
        format!("{poolctl}{url} preload chat --wait"),
    ]
}

/// Where `poolctl` looks when it is told nothing.
#[must_use]
pub const fn default_address() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070)
}

/// How `poolctl` is called from here: from beside the daemon, through cargo, or from the PATH.
fn poolctl(program: &Path) -> String {
    let beside = program.with_file_name("poolctl");
    let built_by_cargo = program.components().any(|part| part.as_os_str() == "target");
    if built_by_cargo {
        "cargo run --quiet --release --bin poolctl --".to_owned()
    } else if beside.exists() {
        beside.display().to_string()
    } else {
        "poolctl".to_owned()
    }
}

fn pool(program: &Path, name: &'static str, load_time: &'static str, port: u16) -> Pool {
    // The names above are letters.
    let pool_name = PoolName::new(name).unwrap_or_else(|_| unreachable!("{name} is a pool name"));
    let make = {
        let (program, pool) = (program.display().to_string(), pool_name.clone());
        move |model: &str| engine(&program, &pool, load_time, port, model)
    };
    let (engine, launch) = make(&format!("demo-{name}"));
    Pool {
        spec: PoolSpec {
            name: pool_name,
            engine,
            policy: Policy {
                lease: LeasePolicy { slots: SLOTS, ..LeasePolicy::default() },
                ..Policy::default()
            },
            autostart: true,
        },
        launch,
        with_model: WithModel::new(move |model| {
            check_model(model)?;
            Ok(make(model))
        }),
        port_key: format!("demo pool {name}"),
    }
}

/// The stub engine serves under any name, but a name must not look like one of its flags.
fn check_model(model: &str) -> Result<(), String> {
    if model.is_empty() || model.starts_with('-') || model.chars().any(char::is_control) {
        return Err(format!("{model:?} cannot be a model; write a name"));
    }
    Ok(())
}

fn engine(program: &str, pool: &PoolName, load_time: &str, port: u16, model: &str) -> (EngineSpec, Launch) {
    let catalog = CatalogEntry {
        id: None,
        engine: "stub-engine".to_owned(),
        engine_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        model: model.to_owned(),
        digest: None,
    };
    let argv: Vec<String> =
        [program, ENGINE_WORD, "--port", &port.to_string(), "--model", model, "--load-time", load_time]
            .map(str::to_owned)
            .into();
    let health = Endpoint::Http { port, path: "/health".to_owned() };
    let spec = EngineSpec {
        hash: SpecHash(xxh3_64(argv.join("\0").as_bytes())),
        catalog: catalog.clone(),
        device_mask: Vec::new(),
        port: Some(port),
        hints: PerformanceHints::default(),
    };
    let launch = Launch {
        pool: pool.clone(),
        argv,
        env: Vec::new(),
        working_dir: None,
        model_path: None,
        model_source: ModelSource::default(),
        hints: PerformanceHints::default(),
        readiness: health.clone(),
        liveness: health,
        url: Some(format!("http://127.0.0.1:{port}")),
        catalog,
        size_bytes: None,
        device_mask: Vec::new(),
        check_devices: false,
        slots: SLOTS,
        core_dumps: false,
    };
    (spec, launch)
}

/// As many free ports as there are pools; all held until all are known, so that they differ.
fn free_ports() -> io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> =
        POOLS.iter().map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
