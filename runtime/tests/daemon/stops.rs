//! How engines are ended: by force, with their children, and when the daemon goes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pool_manager_core::PhaseName;

use crate::process::Daemon;
use crate::real;
use crate::stub::{self, PATIENCE};

fn engine_pid(daemon: &Daemon, pool: &str) -> u32 {
    daemon.until_ready(pool, PATIENCE).engine.and_then(|engine| engine.pid).unwrap()
}

/// The children that an engine says it has started.
fn children(daemon: &Daemon, pool: &str, incarnation: &str) -> Vec<u32> {
    let log = fs::read_to_string(daemon.state().join(format!("logs/{pool}/{incarnation}.log"))).unwrap();
    log.lines().filter_map(|line| line.strip_prefix("child ")?.parse().ok()).collect()
}

#[test]
fn an_engine_that_ignores_term_is_stopped_by_force_at_the_drains_deadline() {
    let daemon = Daemon::start(|ports| {
        stub::pool("a", ports.next_port(), &["--ignore-term"], "drain.force_grace = \"100ms\"")
    });
    let pid = engine_pid(&daemon, "a");
    let lease = daemon.lease("a").unwrap();
    let drain = daemon.operate("a", "drain", r#"{"deadline":"200ms"}"#);
    assert_eq!((drain.state.as_str(), drain.succeeded), ("force_stopped", Some(false)), "{drain:?}");
    assert_eq!(drain.cut, [lease.id]);
    assert!(drain.took_seconds >= 0.3, "deadline and grace were waited for: {drain:?}");
    assert!(!real::runs(pid), "the engine is gone when its drain has ended");
    let pool = daemon.pool("a");
    assert_eq!((pool.phase, pool.leases.cut, pool.leases.active), (PhaseName::Stopped, 1, 0));
    assert!(!daemon.pid_file("a").exists() && !daemon.handoff("a").exists());
    daemon.stop();
}

#[test]
fn children_in_sessions_of_their_own_go_with_their_engine() {
    let arguments = ["--children", "2", "--children-setsid", "--children-ignore-term"];
    let daemon = Daemon::start(|ports| {
        let stopped = stub::pool("stopped", ports.next_port(), &arguments, "");
        stopped + &stub::pool("crashed", ports.next_port(), &arguments, "restart.mode = \"never\"")
    });
    let victim = engine_pid(&daemon, "crashed");
    engine_pid(&daemon, "stopped");
    let of_stopped = children(&daemon, "stopped", "1.1");
    let of_crashed = children(&daemon, "crashed", "1.1");
    assert_eq!((of_stopped.len(), of_crashed.len()), (2, 2));
    assert!(of_stopped.iter().chain(&of_crashed).all(|pid| real::exists(*pid)));

    assert_eq!(daemon.operate("stopped", "stop", "").state, "completed");
    of_stopped.iter().for_each(|pid| real::until_gone(*pid, PATIENCE));
    assert!(of_crashed.iter().all(|pid| real::exists(*pid)), "another engine's children are left alone");
    real::kill(victim);
    of_crashed.iter().for_each(|pid| real::until_gone(*pid, PATIENCE));
    daemon.stop();
}

#[test]
fn a_second_signal_kills_what_the_first_one_waits_for() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let daemon = Daemon::start(|ports| {
            stub::pool("a", ports.next_port(), &["--ignore-term"], "stop.grace = \"1h\"")
        });
        let pid = engine_pid(&daemon, "a");
        daemon.signal(signal);
        daemon.until("a", PATIENCE, "stop", |pool| pool.phase == PhaseName::Stopping);
        assert!(real::exists(pid), "one {signal} kills nothing");
        daemon.signal(signal);
        let folder = daemon.until_ended();
        assert!(!real::runs(pid));
        assert_eq!(fs::read_dir(folder.path().join("state/run")).unwrap().count(), 0);
    }
}

#[test]
fn a_second_signal_cuts_the_leases_that_the_first_one_waits_for() {
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], ""));
    let pid = engine_pid(&daemon, "a");
    let lease = daemon.lease("a").unwrap();
    daemon.signal(Signal::SIGTERM);
    daemon.until("a", PATIENCE, "drain", |pool| pool.draining);
    let problem = daemon.lease("a").expect_err("no new work");
    assert!(problem.status == 409 || problem.status == 503, "{problem:?}");
    let why = daemon.text("/v1/pools/a/why");
    assert!(
        why.contains("poolctl leases a") && !why.contains("poolctl stop"),
        "nothing that would be refused: {why}"
    );
    assert!(real::exists(pid));
    let told = Instant::now();
    daemon.signal(Signal::SIGTERM);
    let folder = daemon.until_ended();
    assert!(told.elapsed() < Duration::from_secs(30), "half of what the first one would have waited");
    let log = fs::read_to_string(folder.path().join("daemon.log")).unwrap();
    let named = log.lines().any(|line| line.contains("lease ended") && line.contains(&lease.id));
    assert!(named, "the lease that was cut is named: {log}");
}

#[test]
fn a_signal_before_the_first_readiness_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_pool-managerd"))
        .args(["run", "--demo"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Its engines exist, and need a second or two more to load.
    let until = Instant::now() + PATIENCE;
    let pid: u32 = loop {
        let state = fs::read_dir(folder.path()).unwrap().flatten().next();
        let file = state.and_then(|state| fs::read_to_string(state.path().join("run/code.pid")).ok());
        if let Some(pid) = file.and_then(|pid| pid.trim().parse().ok()) {
            break pid;
        }
        assert!(Instant::now() < until, "no engine");
        std::thread::yield_now();
    };
    kill(Pid::from_raw(demo.id().cast_signed()), Signal::SIGINT).unwrap();
    assert!(demo.wait().unwrap().success());
    assert!(!real::runs(pid), "an engine outlived the demo");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the demo's directory is gone");
}
