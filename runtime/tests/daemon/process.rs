//! The shipped daemon as a process of the test, and its control API.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use pool_manager::control::{LeaseGranted, PoolStatus, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

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
        let folder = tempfile::tempdir().unwrap();
        let mut ports = Ports(Vec::new());
        let listen = format!("127.0.0.1:{}", ports.next_port());
        let state = folder.path().join("state");
        let config =
            format!("state_dir = {state:?}\n[control]\nlisten = \"{listen}\"\n{}", pools(&mut ports));
        let path = folder.path().join("host.toml");
        fs::write(&path, config).unwrap();
        drop(ports);

        let log = File::create(folder.path().join("daemon.log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_pool-managerd"))
            .args(["run", "--log-format", "json", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        // Refusals are answers here, not errors.
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut daemon = Self { process, folder: Some(folder), url: format!("http://{listen}"), agent };
        let until = Instant::now() + Duration::from_secs(20);
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
    pub(crate) fn stop(mut self) -> TempDir {
        kill(pid_of(self.process.id()), Signal::SIGTERM).unwrap();
        let status: ExitStatus = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
        self.folder.take().unwrap()
    }

    fn state(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("state")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.as_ref().unwrap().path().join("daemon.log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    /// After a failed test: the daemon and the engines it wrote PID files for, by id.
    fn drop(&mut self) {
        if self.folder.is_none() {
            return;
        }
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
