//! The host under test: the runtime's own driver, control API and prober around the real core, on a simulated
//! network. Only what touches processes and files is a stand-in.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pool_manager::control::{Api, Hosts, Limits, serve};
use pool_manager::driver::{Driver, DriverHandle, Executors, Timer};
use pool_manager::executor::Completions;
use pool_manager::executor::probe::{Listener, Network, Prober, Question};
use pool_manager::launch::{Endpoint, Launch, Launches, ModelSource};
use pool_manager::models::{Models, WithModel};
use pool_manager_core::{
    Answer, CatalogEntry, Completion, Correlation, Effect, EffectId, EngineRef, EngineSpec, Event,
    EvidenceReport, ExitStatus, Host, HostConfig, Input, ModelStamp, PerformanceHints, Policy, PoolName,
    PoolSpec, PoolUid, Preflight, ProbeAnswer, ReleaseAnswer, Signal, Spawned, SpecHash, StageError, Time,
};
use tokio::sync::mpsc;
use turmoil::net::{TcpListener, TcpStream};

use crate::dice::Dice;
use crate::engines::{Process, Run};
use crate::log::{Log, now};
use crate::truth::Truth;

/// The host's name, and its port for the control API.
pub(crate) const SUPERVISOR: &str = "supervisor";
pub(crate) const API_PORT: u16 = 7070;

/// The pools, in the order they are registered. All start by themselves.
pub(crate) const POOLS: [&str; 2] = ["chat", "code"];
/// Leases each may have at once, and asks that may wait.
pub(crate) const SLOTS: u32 = 3;
pub(crate) const QUEUE: u32 = 8;
/// Longest time one liveness or readiness probe may take.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two signs of life on a silent event stream.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

const FIRST_ENGINE_PORT: u16 = 8000;

/// The supervisor that runs now, and the way in for what the world tells it.
type NowRunning = (DriverHandle, mpsc::UnboundedSender<Input>);

/// What a supervisor is started with, and what is known of it from outside. Clones are the same supervisor.
#[derive(Clone)]
pub(crate) struct Supervisor {
    pub(crate) seed: u64,
    pub(crate) log: Log,
    pub(crate) truth: Truth,
    pub(crate) processes: Arc<Vec<Process>>,
    /// Probes that were asked and not answered yet, by effect.
    pub(crate) probing: Probing,
    starts: Arc<AtomicU32>,
    now_running: Arc<Mutex<Option<NowRunning>>>,
}

type Probing = Arc<Mutex<BTreeMap<(u32, EffectId), (Duration, Duration)>>>;

impl Supervisor {
    pub(crate) fn new(seed: u64, log: Log) -> Self {
        Self {
            seed,
            log,
            truth: Truth::default(),
            processes: Arc::new(POOLS.iter().map(|_| Process::default()).collect()),
            probing: Probing::default(),
            starts: Arc::default(),
            now_running: Arc::default(),
        }
    }

    /// The host's name and port of a pool's engine.
    pub(crate) fn engine(place: usize) -> (String, u16) {
        (format!("engine-{}", POOLS[place]), FIRST_ENGINE_PORT + place as u16)
    }

    /// The way to the core of the supervisor that runs now.
    pub(crate) fn driver(&self) -> Option<DriverHandle> {
        self.now_running.lock().unwrap().as_ref().map(|(driver, _)| driver.clone())
    }

    /// A pool's engine ends by itself.
    pub(crate) fn engine_dies(&self, place: usize) {
        let process = &self.processes[place];
        let Some(Run { engine, .. }) = process.run() else { return };
        if process.end(engine)
            && let Some((_, inputs)) = &*self.now_running.lock().unwrap()
        {
            let _ = inputs.send(Input::Exited { engine, status: ExitStatus::Signal(11) });
        }
    }

    /// The software of the host.
    pub(crate) async fn run(self) -> turmoil::Result {
        let epoch = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
        // Engines of the one before: nothing adopts them here.
        for process in &*self.processes {
            process.run().map(|run| process.end(run.engine));
        }
        let (inputs, completions) = mpsc::unbounded_channel();
        let launches = Launches::default();
        let specs: Vec<PoolSpec> = (0..POOLS.len()).map(|place| self.pool(place, &launches)).collect();
        let config = HostConfig { epoch, ..HostConfig::default() };
        let stand_ins = StandIns::new(epoch, self.clone(), launches.clone(), inputs.clone());
        let (driver, handle) = Driver::new(config, self.seed, Clock::start(), stand_ins, completions);
        let mut driver = tokio::spawn(on_a_busy_machine(driver.run(), Dice::new(self.seed, 1 << 32)));
        *self.now_running.lock().unwrap() = Some((handle.clone(), inputs));
        for spec in specs {
            let answer = handle.register(spec, Correlation([0, 0])).await?;
            assert!(matches!(answer, Answer::Registered { .. }), "{answer:?}");
        }
        let listener = Door(TcpListener::bind(("0.0.0.0", API_PORT)).await?);
        let api = Api {
            hosts: Hosts::Any,
            models: models(),
            limits: Limits { date_header: false, heartbeat: HEARTBEAT, ..Limits::default() },
            correlation_seed: self.seed,
            wall_clock: virtual_wall,
            ..Api::new(handle, launches)
        };
        tokio::select! {
            biased;
            ended = &mut driver => panic!("the driver ended: {ended:?}"),
            () = serve(listener, api, std::future::pending()) => unreachable!("nobody ends it"),
        }
    }

    fn pool(&self, place: usize, launches: &Launches) -> PoolSpec {
        let name = PoolName::new(POOLS[place]).expect("a plain word is a name");
        let (engine, launch) = engine(place, "first");
        launches.insert(engine.hash, launch);
        let mut policy = Policy::default();
        policy.start.timeout = Duration::from_secs(20);
        policy.start.probe_timeout = PROBE_TIMEOUT;
        policy.liveness.timeout = PROBE_TIMEOUT;
        policy.liveness.interval = Duration::from_secs(1);
        policy.liveness.progress_grace = Duration::from_secs(8);
        policy.lease.slots = SLOTS;
        policy.lease.queue = QUEUE;
        policy.lease.queue_wait = Duration::from_secs(6);
        policy.lease.ttl = Duration::from_secs(15);
        policy.stop.grace = Duration::from_secs(1);
        policy.restart.backoff_initial = Duration::from_millis(200);
        policy.restart.backoff_cap = Duration::from_secs(1);
        // What is tried here is the network; the circuit has its own scenarios.
        policy.restart.circuit_failures = 0;
        PoolSpec { name, engine, policy, autostart: true }
    }
}

/// Every pool can be given any model.
fn models() -> Models {
    let with_model = |place: usize| {
        let make = move |model: &str| Ok(engine(place, model));
        (POOLS[place].to_owned(), WithModel::new(make))
    };
    Models::new((0..POOLS.len()).map(with_model))
}

fn engine(place: usize, model: &str) -> (EngineSpec, Launch) {
    let (host, port) = Supervisor::engine(place);
    let catalog = CatalogEntry {
        id: None,
        engine: "made-up".to_owned(),
        engine_version: None,
        model: model.to_owned(),
        digest: None,
    };
    let health = Endpoint::Http { port, path: "/health".to_owned() };
    let bytes = model.bytes().fold(place as u64 + 1, |hash, byte| hash.wrapping_mul(131) + u64::from(byte));
    let spec = EngineSpec {
        hash: SpecHash(bytes),
        catalog: catalog.clone(),
        device_mask: vec![place.to_string()],
        port: Some(port),
        hints: PerformanceHints::default(),
    };
    let launch = Launch {
        pool: PoolName::new(POOLS[place]).expect("a plain word is a name"),
        argv: vec!["/bin/engine".to_owned()],
        env: Vec::new(),
        working_dir: None,
        model_path: None,
        model_source: ModelSource::default(),
        readiness: health.clone(),
        liveness: health,
        url: Some(format!("http://{host}:{port}")),
        catalog,
        hints: PerformanceHints::default(),
        size_bytes: None,
        device_mask: Vec::new(),
        check_devices: false,
        slots: SLOTS,
        core_dumps: false,
    };
    (spec, launch)
}

/// Under half of the seeds the task gets its turns late, so that callers can go away while it holds their requests.
async fn on_a_busy_machine<F: Future>(task: F, mut dice: Dice) -> F::Output {
    let busy = dice.one_in(2);
    let mut task = pin!(task);
    if !busy {
        return task.await;
    }
    loop {
        match poll_fn(|context| Poll::Ready(task.as_mut().poll(context))).await {
            Poll::Ready(output) => return output,
            Poll::Pending => tokio::time::sleep(dice.millis(1, 12)).await,
        }
    }
}

fn virtual_wall() -> SystemTime {
    UNIX_EPOCH + turmoil::since_epoch().unwrap_or_default()
}

/// Takes connections for the API's server.
struct Door(TcpListener);

impl axum::serve::Listener for Door {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (TcpStream, std::net::SocketAddr) {
        self.0.accept().await.expect("a simulated listener does not fail")
    }

    fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.0.local_addr()
    }
}

/// One timer on the host's virtual clock.
struct Clock {
    origin: tokio::time::Instant,
    at: Option<Time>,
}

impl Clock {
    fn start() -> Self {
        Self { origin: tokio::time::Instant::now(), at: None }
    }
}

impl Timer for Clock {
    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn gap(&mut self) -> Duration {
        Duration::ZERO
    }

    fn arm(&mut self, at: Option<Time>) -> io::Result<()> {
        self.at = at.filter(|at| *at != Time::NEVER);
        Ok(())
    }

    async fn expired(&mut self) -> io::Result<()> {
        match self.at {
            Some(at) => tokio::time::sleep_until(self.origin + at.since(Time::ZERO)).await,
            None => std::future::pending().await,
        }
        Ok(())
    }
}

/// The engines' ports, each on the host of its own engine.
struct Ports(Arc<Vec<Process>>);

impl Network for Ports {
    type Stream = TcpStream;

    async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let (host, port) = Supervisor::engine(usize::from(port - FIRST_ENGINE_PORT));
        TcpStream::connect((host, port)).await
    }

    async fn listener(&self, port: u16, engine_pid: u32) -> Listener {
        match self.0[usize::from(port - FIRST_ENGINE_PORT)].run() {
            None => Listener::Nobody,
            Some(run) if run.pid == engine_pid => Listener::Ours,
            Some(_) => Listener::Stranger,
        }
    }
}

/// Carries effects out: probes for real, over the simulated network; all else by saying that it is done.
struct StandIns {
    epoch: u32,
    of: Supervisor,
    launches: Launches,
    inputs: mpsc::UnboundedSender<Input>,
    prober: Prober<Ports>,
    last_pid: u32,
}

impl StandIns {
    fn new(epoch: u32, of: Supervisor, launches: Launches, inputs: mpsc::UnboundedSender<Input>) -> Self {
        of.probing.lock().unwrap().clear();
        let (probed, answers) = mpsc::unbounded_channel();
        tokio::spawn(watch_probes(epoch, of.clone(), answers, inputs.clone()));
        let prober = Prober::new(Ports(Arc::clone(&of.processes)), Completions::new(probed));
        Self { epoch, of, launches, inputs, prober, last_pid: 1000 }
    }

    fn process(&self, pool: PoolUid) -> &Process {
        // Uids are given from 1 on, in the order of registration.
        &self.of.processes[pool.0 as usize - 1]
    }

    /// After a while, as everything that leaves the process.
    fn later(&self, after: Duration, effect: EffectId, result: Completion) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = inputs.send(Input::Completed { effect, result });
        });
    }

    fn spawn(&mut self, id: EffectId, engine: EngineRef) {
        self.last_pid += 1;
        let pid = self.last_pid;
        let (process, inputs) = (self.process(engine.pool).clone(), self.inputs.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            process.start(Run { engine, pid });
            let result = Completion::Spawned(Ok(Spawned { pid }));
            let _ = inputs.send(Input::Completed { effect: id, result });
        });
    }

    fn signal(&self, engine: EngineRef, signal: Signal) {
        let process = self.process(engine.pool).clone();
        let (number, takes) = match signal {
            Signal::Graceful if process.is_frozen() => return,
            Signal::Graceful => (15, Duration::from_millis(30)),
            Signal::KillTree => (9, Duration::from_millis(5)),
        };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            if process.end(engine) {
                let _ = inputs.send(Input::Exited { engine, status: ExitStatus::Signal(number) });
            }
        });
    }

    fn probe(&self, id: EffectId, engine: EngineRef, kind: pool_manager_core::ProbeKind, timeout: Duration) {
        self.of.probing.lock().unwrap().insert((self.epoch, id), (now(), timeout));
        let Some(run) = self.process(engine.pool).run().filter(|run| run.engine == engine) else {
            let result = Completion::Probed(ProbeAnswer::Refused);
            self.of.probing.lock().unwrap().remove(&(self.epoch, id));
            let _ = self.inputs.send(Input::Completed { effect: id, result });
            return;
        };
        let (_, port) = Supervisor::engine(engine.pool.0 as usize - 1);
        let endpoint = Endpoint::Http { port, path: "/health".to_owned() };
        self.prober.start(Question { id, engine, engine_pid: run.pid, endpoint, kind, timeout });
    }
}

impl Executors for StandIns {
    fn carry_out(&mut self, effect: Effect) {
        let soon = Duration::from_millis(2);
        match effect {
            Effect::CancelStage { .. } => {}
            Effect::CheckRelease { id, .. } => {
                self.later(soon, id, Completion::Released(ReleaseAnswer::Free))
            }
            Effect::CollectEvidence { id, .. } => {
                let report = EvidenceReport { log: Vec::new(), oom_kill: None };
                self.later(soon, id, Completion::Evidence(Box::new(report)));
            }
            Effect::Preflight { id, spec, .. } => {
                let known = self.launches.get(spec).ok_or(StageError::Missing);
                let preflight = known.map(|_| Preflight { stamp: Some(ModelStamp(spec.0)), fetch: false });
                self.later(soon, id, Completion::Preflighted(preflight));
            }
            Effect::Stage { id, spec, .. } => {
                let known = self.launches.get(spec).ok_or(StageError::Missing);
                self.later(soon, id, Completion::Staged(known.map(|_| ModelStamp(spec.0))));
            }
            Effect::RemoveFile { id, .. } | Effect::WriteFile { id, .. } => {
                self.later(soon, id, Completion::FileDone(Ok(())));
            }
            Effect::Probe { id, engine, kind, timeout } => self.probe(id, engine, kind, timeout),
            Effect::Spawn { id, engine, .. } => self.spawn(id, engine),
            Effect::Signal { engine, signal } => self.signal(engine, signal),
            Effect::Exit | Effect::Reply { .. } => unreachable!("the driver keeps these to itself"),
        }
    }

    fn observe(&mut self, _: &Host, pool: Option<&str>, event: &Event) {
        self.of.truth.record(self.epoch, event);
        self.of.log.say(SUPERVISOR, format_args!("{} {:?}", pool.unwrap_or("-"), event.kind));
    }
}

/// Passes the prober's answers on, and checks that each probe is answered once and in time.
async fn watch_probes(
    epoch: u32,
    of: Supervisor,
    mut answers: mpsc::UnboundedReceiver<Input>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    while let Some(input) = answers.recv().await {
        let Input::Completed { effect, result: Completion::Probed(answer) } = &input else {
            panic!("a prober says nothing but answers: {input:?}");
        };
        let asked = of.probing.lock().unwrap().remove(&(epoch, *effect));
        let (asked, timeout) = asked.expect("a probe is answered once");
        let took = now() - asked;
        // The runtime's timers are in whole milliseconds, rounded up.
        assert!(took <= timeout + Duration::from_millis(1), "a probe of {timeout:?} took {took:?}");
        of.log.say(SUPERVISOR, format_args!("probe {effect:?} {answer:?} after {took:?}"));
        let _ = inputs.send(input);
    }
}
