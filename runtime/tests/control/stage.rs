//! What every test here needs: a driver whose executors answer at once, the API in front of it on a
//! free port, and a small client.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pool_manager::control::{Api, serve};
use pool_manager::driver::{Driver, DriverHandle, Executors, Timer};
use pool_manager::launch::{Endpoint, Launch, Launches, ModelSource};
use pool_manager::models::{Models, WithModel};
use pool_manager_core::{
    CatalogEntry, Completion, Correlation, Effect, EngineRef, EngineSpec, Event, EvidenceReport, ExitStatus,
    Host, HostConfig, Input, LogClass, LogEvidence, ModelStamp, PerformanceHints, Policy, PoolName, PoolSpec,
    PoolUid, Preflight, ProbeAnswer, ReleaseAnswer, Signal, SpawnError, Spawned, SpecHash, StageError, Time,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// A pool's behaviour, by its spec hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Healthy at once, ends at TERM.
    Good,
    /// Never gets beyond loading.
    Slow,
    /// Its model is missing.
    Broken,
    /// Healthy at once, never ends.
    Stubborn,
}

/// The pools of a stage: name, behaviour, slots, queue.
const POOLS: [(&str, Engine, u32, u32); 6] = [
    ("broken", Engine::Broken, 4, 4),
    ("llama", Engine::Good, 2, 4),
    ("mistral", Engine::Good, 4, 4),
    ("slow", Engine::Slow, 4, 4),
    ("stubborn", Engine::Stubborn, 4, 4),
    ("tiny", Engine::Good, 1, 0),
];

/// Those that are called with the name of a model.
const RELOADABLE: [&str; 2] = ["llama", "tiny"];
/// The one whose circuits open at the first failure.
const BRITTLE: &str = "tiny";

/// A running daemon without processes. Ends with the test.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) driver: DriverHandle,
    inputs: mpsc::UnboundedSender<Input>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An HTTP answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Stage {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A stage whose API is changed before it serves.
    pub(crate) fn with(change: impl FnOnce(&mut Api) + Send + 'static) -> Self {
        let (inputs, completions) = mpsc::unbounded_channel();
        let (shutdown, shut_down) = oneshot::channel();
        let (up, is_up) = std::sync::mpsc::channel();
        let sender = inputs.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let clock = Clock { origin: tokio::time::Instant::now(), at: None };
                let executors = AtOnce { inputs: sender, engines: Mutex::default() };
                let (driver, handle) = Driver::new(
                    HostConfig { epoch: 7, ..HostConfig::default() },
                    1,
                    clock,
                    executors,
                    completions,
                );
                let driver = tokio::spawn(driver.run());
                let launches = Launches::default();
                for (number, (name, engine, slots, queue)) in POOLS.into_iter().enumerate() {
                    let (spec, launch) = pool(number, name, engine, slots, queue);
                    launches.insert(spec.engine.hash, launch);
                    handle.register(spec, Correlation([0, 0])).await.unwrap();
                }
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let mut api = Api::new(handle.clone(), launches);
                api.models = models();
                change(&mut api);
                up.send((listener.local_addr().unwrap(), handle)).unwrap();
                let ended = async { drop(shut_down.await) };
                serve(listener, api, ended).await;
                driver.abort();
            });
        });
        let (address, driver) = is_up.recv().unwrap();
        Self { address, driver, inputs, shutdown: Some(shutdown), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[], body)
    }

    /// One request on a connection of its own, written by hand.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = self.open(method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::read(&String::from_utf8(bytes).unwrap())
    }

    /// Sends a request and leaves the answer to the caller.
    pub(crate) fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let has_host = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = if has_host { String::new() } else { format!("Host: {}\r\n", self.address) };
        let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{extra}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // No answer takes this long unless something hangs.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Starts pools and waits until they are ready.
    pub(crate) fn ready(&self, pools: &[&str]) -> &Self {
        for pool in pools {
            let operation = self.post(&format!("/v1/pools/{pool}/preload"), "").json["id"].clone();
            let ended = self.get(&format!("/v1/operations/{operation}?wait=10s"));
            assert_eq!(ended.json["state"], "completed", "{}", ended.text);
        }
        self
    }

    /// Takes a lease and returns its id.
    pub(crate) fn lease(&self, pool: &str) -> String {
        let granted = self.post(&format!("/v1/pools/{pool}/leases"), "{}");
        assert_eq!(granted.status, 201, "{}", granted.text);
        granted.json["id"].as_str().unwrap().to_owned()
    }

    /// Asks again until the answer is as wanted: for what has no event of its own.
    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let json = self.get(path).json;
            if wanted(&json) {
                return json;
            }
            assert!(Instant::now() < patience, "{path} stayed {json}");
            std::thread::yield_now();
        }
    }

    /// An engine ends by itself.
    pub(crate) fn crash(&self, pool: u32) {
        let incarnation = pool_manager_core::Incarnation { epoch: 7, n: 1 };
        let engine = EngineRef { pool: PoolUid(pool), incarnation };
        self.inputs.send(Input::Exited { engine, status: ExitStatus::Signal(11) }).unwrap();
    }

    /// Ends the server and waits for it.
    pub(crate) fn end(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A test that failed must say its own reason, not this thread's.
        drop(self.shutdown.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Reply {
    pub(crate) fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self {
            status: status.unwrap_or(0),
            headers,
            text: body.to_owned(),
            json: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    /// Checks that it is a problem document with this status and this name, and returns its text.
    pub(crate) fn problem(&self, status: u16, name: &str) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"));
        assert_eq!(self.json["type"], format!("urn:pool-manager:problem:{name}"), "{}", self.text);
        assert_eq!(self.json["status"], status);
        self.json["detail"].as_str().unwrap()
    }

    /// Whole seconds of `Retry-After`.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.headers.get("retry-after").map(|text| text.parse().unwrap())
    }
}

/// Two pools can be given another model: what its name begins with says how it behaves. One that is none of
/// [`Engine`]'s cannot be spawned.
fn models() -> Models {
    let with_model = |(number, (name, .., slots, queue)): (usize, (&'static str, Engine, u32, u32))| {
        let make = move |model: &str| {
            if model.starts_with('-') {
                return Err(format!("{model:?} cannot be a model; write a path or a name"));
            }
            let engine = match model.split('-').next() {
                Some("good") => Engine::Good as u64,
                Some("broken") => Engine::Broken as u64,
                _ => 9,
            };
            let (mut spec, mut launch) = pool(number, name, Engine::Good, slots, queue);
            let more = if model == spec.engine.catalog.model { 0 } else { 50 };
            spec.engine.hash = SpecHash(if more == 0 { 0 } else { engine } * 100 + more + number as u64);
            model.clone_into(&mut spec.engine.catalog.model);
            model.clone_into(&mut launch.catalog.model);
            Ok((spec.engine, launch))
        };
        (name.to_owned(), WithModel::new(make))
    };
    Models::new(
        POOLS.into_iter().enumerate().filter(|(_, (name, ..))| RELOADABLE.contains(name)).map(with_model),
    )
}

fn pool(number: usize, name: &str, engine: Engine, slots: u32, queue: u32) -> (PoolSpec, Launch) {
    let port = 9000 + number as u16;
    let catalog = CatalogEntry {
        id: None,
        engine: "stub".to_owned(),
        engine_version: Some("1".to_owned()),
        model: format!("/models/{name}.gguf"),
        digest: None,
    };
    let name = PoolName::new(name).unwrap();
    let mut policy = Policy::default();
    policy.lease.slots = slots;
    policy.lease.queue = queue;
    if name.as_str() == BRITTLE {
        policy.restart.circuit_failures = 1;
    }
    let spec = PoolSpec {
        name: name.clone(),
        engine: EngineSpec {
            hash: SpecHash(engine as u64 * 100 + number as u64),
            catalog: catalog.clone(),
            device_mask: vec![number.to_string()],
            port: Some(port),
            hints: PerformanceHints::default(),
        },
        policy,
        autostart: false,
    };
    let launch = Launch {
        pool: name,
        argv: vec!["/bin/stub".to_owned()],
        env: Vec::new(),
        working_dir: None,
        model_path: None,
        model_source: ModelSource::default(),
        hints: PerformanceHints::default(),
        readiness: Endpoint::None,
        liveness: Endpoint::None,
        url: Some(format!("http://127.0.0.1:{port}")),
        catalog,
        size_bytes: None,
        device_mask: Vec::new(),
        check_devices: false,
        slots,
        core_dumps: false,
    };
    (spec, launch)
}

/// One timer on the runtime's clock.
struct Clock {
    origin: tokio::time::Instant,
    at: Option<Time>,
}

impl Timer for Clock {
    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn gap(&mut self) -> Duration {
        Duration::ZERO
    }

    fn arm(&mut self, at: Option<Time>) -> std::io::Result<()> {
        self.at = at;
        Ok(())
    }

    async fn expired(&mut self) -> std::io::Result<()> {
        match self.at {
            Some(at) => tokio::time::sleep_until(self.origin + at.since(Time::ZERO)).await,
            None => std::future::pending().await,
        }
        Ok(())
    }
}

/// Executors that answer every effect at once.
struct AtOnce {
    inputs: mpsc::UnboundedSender<Input>,
    engines: Mutex<BTreeMap<PoolUid, Arc<Engine>>>,
}

impl AtOnce {
    fn engine(&self, pool: PoolUid) -> Engine {
        self.engines.lock().unwrap().get(&pool).map_or(Engine::Good, |engine| **engine)
    }
}

impl Executors for AtOnce {
    fn carry_out(&mut self, effect: Effect) {
        let (effect, result) = match effect {
            Effect::CheckRelease { id, .. } => (id, Completion::Released(ReleaseAnswer::Free)),
            Effect::CollectEvidence { id, .. } => {
                let line = LogEvidence { class: LogClass::CudaError, offset: 4711 };
                let report = EvidenceReport { log: vec![line], oom_kill: None };
                (id, Completion::Evidence(Box::new(report)))
            }
            Effect::CancelStage { .. } => return,
            Effect::Preflight { id, spec, .. } => {
                let preflight = Preflight { stamp: Some(ModelStamp(spec.0)), fetch: false };
                let missing = spec.0 / 100 == Engine::Broken as u64;
                (id, Completion::Preflighted(if missing { Err(StageError::Missing) } else { Ok(preflight) }))
            }
            Effect::Probe { id, engine, .. } => {
                let slow = self.engine(engine.pool) == Engine::Slow;
                (id, Completion::Probed(if slow { ProbeAnswer::Loading } else { ProbeAnswer::Healthy }))
            }
            Effect::RemoveFile { id, .. } | Effect::WriteFile { id, .. } => {
                (id, Completion::FileDone(Ok(())))
            }
            Effect::Spawn { id, spec, engine } => {
                let behaviour = [Engine::Good, Engine::Slow, Engine::Broken, Engine::Stubborn]
                    .into_iter()
                    .find(|engine| *engine as u64 == spec.0 / 100);
                let known = behaviour.map(Arc::new).ok_or(SpawnError::NotFound);
                let spawned = known.map(|behaviour| {
                    self.engines.lock().unwrap().insert(engine.pool, behaviour);
                    Spawned { pid: 4000 + engine.pool.0 }
                });
                (id, Completion::Spawned(spawned))
            }
            Effect::Stage { id, spec, .. } => {
                let missing = spec.0 / 100 == Engine::Broken as u64;
                (
                    id,
                    Completion::Staged(if missing {
                        Err(StageError::Missing)
                    } else {
                        Ok(ModelStamp(spec.0))
                    }),
                )
            }
            Effect::Signal { engine, signal } => {
                let number = match signal {
                    Signal::Graceful => 15,
                    Signal::KillTree => 9,
                };
                if self.engine(engine.pool) != Engine::Stubborn {
                    let _ = self.inputs.send(Input::Exited { engine, status: ExitStatus::Signal(number) });
                }
                return;
            }
            Effect::Exit | Effect::Reply { .. } => unreachable!("the driver keeps these to itself"),
        };
        let _ = self.inputs.send(Input::Completed { effect, result });
    }

    fn observe(&mut self, _: &Host, _: Option<&str>, _: &Event) {}
}
