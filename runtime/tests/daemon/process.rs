//! The shipped daemon as a process of the test, and its control API.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use pool_manager::control::{EventRecord, LeaseGranted, OperationStatus, PoolStatus, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::stub::PATIENCE;

pub(crate) struct Daemon {
    process: Child,
    folder: Option<TempDir>,
    url: String,
    agent: ureq::Agent,
}

/// Free ports, all different: each stays bound until the config is written.
pub(crate) struct Ports(Vec<TcpListener>);

impl Ports {
    pub(crate) fn next_port(&mut self) -> u16 {
        self.0.push(TcpListener::bind("127.0.0.1:0").unwrap());
        self.0.last().unwrap().local_addr().unwrap().port()
    }
}

impl Daemon {
    /// Starts a daemon with these pools and waits until its API answers.
    pub(crate) fn start(pools: impl FnOnce(&mut Ports) -> String) -> Self {
        Self::start_logging_to(None, pools)
    }

    /// As [`Self::start`], with its log somewhere else than in its folder.
    pub(crate) fn start_logging_to(log: Option<File>, pools: impl FnOnce(&mut Ports) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ports = Ports(Vec::new());
        let listen = format!("127.0.0.1:{}", ports.next_port());
        let state = folder.path().join("state");
        let config =
            format!("state_dir = {state:?}\n[control]\nlisten = \"{listen}\"\n{}", pools(&mut ports));
        let path = folder.path().join("host.toml");
        fs::write(&path, config).unwrap();
        drop(ports);

        let log = log.unwrap_or_else(|| File::create(folder.path().join("daemon.log")).unwrap());
        Self::launch(folder, format!("http://{listen}"), log)
    }

    fn launch(folder: TempDir, url: String, log: File) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_pool-managerd"))
            .args(["run", "--log-format", "json", "--log", "debug", "--config"])
            .arg(folder.path().join("host.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        // Refusals are answers here, not errors.
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut daemon = Self { process, folder: Some(folder), url, agent };
        let until = Instant::now() + PATIENCE;
        while daemon.agent.get(format!("{}/health", daemon.url)).call().is_err() {
            let ended = daemon.process.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended with {ended:?}: {}", daemon.log());
            assert!(Instant::now() < until, "the API does not answer: {}", daemon.log());
            std::thread::yield_now();
        }
        daemon
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().unwrap();
        assert_eq!(answer.status(), 200, "GET {path}");
        answer.body_mut().read_json().unwrap()
    }

    /// An answer as text, whatever its status.
    pub(crate) fn text(&self, path: &str) -> String {
        self.agent.get(format!("{}{path}", self.url)).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// What happens from now on.
    pub(crate) fn events(&self) -> Events {
        let ask = self.agent.get(format!("{}/v1/events", self.url));
        // A bound, so that a missing event fails the test instead of hanging it.
        let ask = ask.config().timeout_global(Some(PATIENCE)).build();
        let mut events = Events(BufReader::new(ask.call().unwrap().into_body().into_reader()));
        assert_eq!(events.next_message().0, "snapshot", "a stream begins with a snapshot");
        events
    }

    /// A verb on a pool, and its operation when it has ended.
    pub(crate) fn operate(&self, pool: &str, verb: &str, body: &str) -> OperationStatus {
        let (status, begun) = self.post(&format!("/v1/pools/{pool}/{verb}"), body);
        assert!(status == 200 || status == 202, "{verb}: {begun}");
        self.ended(&begun)
    }

    /// An operation when it has ended.
    pub(crate) fn ended(&self, begun: &Value) -> OperationStatus {
        self.get(&format!("/v1/operations/{}?wait=30s", begun["id"]))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let post = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        let mut answer = post.send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    pub(crate) fn delete(&self, path: &str) -> u16 {
        self.agent.delete(format!("{}{path}", self.url)).call().unwrap().status().as_u16()
    }

    pub(crate) fn pool(&self, name: &str) -> PoolStatus {
        self.get(&format!("/v1/pools/{name}"))
    }

    /// A lease, or the problem that it was refused with.
    pub(crate) fn lease(&self, pool: &str) -> Result<LeaseGranted, Problem> {
        let (status, answer) =
            self.post(&format!("/v1/pools/{pool}/leases"), r#"{"holder":"real engine test"}"#);
        if status == 201 {
            Ok(serde_json::from_value(answer).unwrap())
        } else {
            Err(serde_json::from_value(answer).unwrap())
        }
    }

    pub(crate) fn until_ready(&self, pool: &str, within: Duration) -> PoolStatus {
        self.until(pool, within, "readiness", |pool| pool.ready)
    }

    /// Asks again and again until a pool is as wanted.
    pub(crate) fn until(
        &self,
        pool: &str,
        within: Duration,
        what: &str,
        is_so: impl Fn(&PoolStatus) -> bool,
    ) -> PoolStatus {
        let until = Instant::now() + within;
        loop {
            let status = self.pool(pool);
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < until, "no {what}: {status:?}\n{}", self.log());
            std::thread::yield_now();
        }
    }

    pub(crate) fn pid_file(&self, pool: &str) -> PathBuf {
        self.state().join("run").join(format!("{pool}.pid"))
    }

    pub(crate) fn handoff(&self, pool: &str) -> PathBuf {
        self.state().join("handoff").join(format!("{pool}.json"))
    }

    /// TERM, and the end: exit status 0. Returns the folder, for a look at what is left.
    pub(crate) fn stop(self) -> TempDir {
        self.signal(Signal::SIGTERM);
        self.until_ended()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid_of(self.process.id()), signal).unwrap();
    }

    /// Waits until it has ended by itself: exit status 0.
    pub(crate) fn until_ended(mut self) -> TempDir {
        let status: ExitStatus = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
        self.folder.take().unwrap()
    }

    /// KILL to the daemon, which leaves its engines alone, and another daemon in its place.
    pub(crate) fn replace(mut self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let folder = self.folder.take().unwrap();
        let log = File::create(folder.path().join("daemon.log")).unwrap();
        Self::launch(folder, std::mem::take(&mut self.url), log)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.as_ref().unwrap().path().join("daemon.log")).unwrap_or_default()
    }
}

/// A stream of events.
pub(crate) struct Events(BufReader<ureq::BodyReader<'static>>);

impl Events {
    /// Waits for the next event of this kind.
    pub(crate) fn next_of(&mut self, kind: &str) -> EventRecord {
        loop {
            let (event, data) = self.next_message();
            if event == kind {
                return serde_json::from_str(&data).unwrap();
            }
        }
    }

    fn next_message(&mut self) -> (String, String) {
        let (mut event, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream of events ended");
            match line.trim_end().split_once(':') {
                Some(("event", name)) => name.trim().clone_into(&mut event),
                Some(("data", text)) => data.push_str(text.trim_start()),
                Some(_) => {}
                None if event.is_empty() => {}
                None => return (event, data),
            }
        }
    }
}

impl Drop for Daemon {
    /// After a failed test: the daemon and the engines it wrote PID files for, by id.
    fn drop(&mut self) {
        if self.folder.is_none() {
            return;
        }
        // Where output is captured, this is how the reader of a failed test sees it.
        println!("the daemon's log:\n{}", self.log());
        let _ = self.process.kill();
        let _ = self.process.wait();
        let files = fs::read_dir(self.state().join("run")).into_iter().flatten().flatten();
        for pid in files.filter_map(|file| fs::read_to_string(file.path()).ok()?.trim().parse().ok()) {
            let _ = killpg(pid_of(pid), Signal::SIGKILL);
        }
    }
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap())
}
