//! A pool whose port somebody has: said once with file and key, only that pool waits, and it starts
//! when the port is free.

use std::net::TcpListener;

use pool_manager_core::PhaseName;

use crate::process::Daemon;
use crate::real;
use crate::stub::{self, PATIENCE};

#[test]
fn a_pool_waits_for_its_port_while_the_others_serve() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().port();
    let recheck = "restart.host_recheck = \"300ms\"";
    let daemon = Daemon::start(|ports| {
        stub::pool("a", taken, &[], recheck) + &stub::pool("b", ports.next_port(), &[], recheck)
    });
    daemon.until_ready("b", PATIENCE);
    let waiting = daemon.until("a", PATIENCE, "gate", |pool| !pool.gates.is_empty());
    assert_eq!((waiting.phase, waiting.ready, waiting.live), (PhaseName::Waiting, false, false));
    let own = std::process::id();
    assert_eq!(waiting.gates[0].gate, "port_stranger");
    assert!(waiting.gates[0].text.contains(&format!("process {own}")), "{waiting:?}");
    assert_eq!((waiting.failures, waiting.crashes_total), (0, 0), "a host problem is not charged");
    assert!(waiting.engine.is_none() && !daemon.state().join("logs/a").exists(), "nothing was spawned");

    let said = format!(": pool.a.port: {taken} is in use by pid {own} (");
    let log = log_with(&daemon, &said);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&said)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("host.toml:"), "{}", lines[0]);
    assert!(lines[0].contains("); pool a waits and looks again every 300ms"), "{}", lines[0]);
    assert!(lines[0].contains("\"level\":\"ERROR\""), "{}", lines[0]);

    drop(stranger);
    let ready = daemon.until_ready("a", PATIENCE);
    assert_eq!((ready.crashes_total, ready.restart_count), (0, 0));
    daemon.stop();
}

#[test]
fn an_engine_that_outlived_its_daemon_is_named_and_waited_for() {
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], ""));
    let pool = daemon.until_ready("a", PATIENCE);
    let left = pool.engine.unwrap().pid.unwrap();
    let daemon = daemon.replace();
    assert!(real::exists(left), "a killed daemon ends no engine");
    let waiting = daemon.until("a", PATIENCE, "gate", |pool| !pool.gates.is_empty());
    assert_eq!((waiting.gates[0].gate.as_str(), waiting.ready), ("release", false), "{waiting:?}");
    let said = format!(
        "pool.a.port: {} is in use by pid {left} (stub-engine), engine a/1.1 of an earlier daemon",
        pool.port.unwrap()
    );
    let log = log_with(&daemon, &said);
    assert_eq!(log.lines().filter(|line| line.contains(&said)).count(), 1, "{log}");
    assert!(log.contains(&format!("end it with: kill {left}")), "{log}");
    assert!(daemon.text("/v1/pools/a/why").contains("ss -ltnp"), "why says how to find it");

    real::kill(left);
    let ready = daemon.until_ready("a", PATIENCE).engine.unwrap();
    assert_eq!(ready.incarnation, "2.1", "a new number, never used before");
    daemon.stop();
}

/// The log, as soon as it says this: it is written beside everything else.
fn log_with(daemon: &Daemon, said: &str) -> String {
    daemon.until("a", PATIENCE, "a line of the log", |_| daemon.log().contains(said));
    daemon.log()
}
