//! What clients, routers and observers of a running daemon see.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use pool_manager_core::PhaseName;
use serde_json::{Value, json};

use crate::process::Daemon;
use crate::stub::{self, PATIENCE};

#[test]
fn an_undrained_pool_serves_on_with_the_same_engine() {
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], ""));
    let before = daemon.until_ready("a", PATIENCE);
    daemon.until("a", PATIENCE, "a handoff file", |_| daemon.handoff("a").exists());
    let lease = daemon.lease("a").unwrap();
    let (_, drain) = daemon.post("/v1/pools/a/drain", r#"{"deadline":"1h"}"#);
    daemon.until("a", PATIENCE, "no handoff file", |_| !daemon.handoff("a").exists());
    assert_eq!(daemon.post("/v1/pools/a/undrain", "").0, 200);
    assert_eq!(daemon.ended(&drain).state, "undrained");
    let after = daemon.pool("a");
    assert!(after.ready && !after.draining, "{after:?}");
    assert_eq!(after.engine.unwrap().pid, before.engine.unwrap().pid);
    assert_eq!((after.leases.active, after.leases.cut), (1, 0));
    daemon.until("a", PATIENCE, "a handoff file again", |_| daemon.handoff("a").exists());
    let other = daemon.lease("a").unwrap();
    for id in [lease.id, other.id] {
        assert_eq!(daemon.delete(&format!("/v1/leases/{id}")), 200);
    }
    daemon.stop();
}

#[test]
fn an_ask_waits_for_a_slot_and_one_whose_client_went_away_is_not_granted() {
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], "lease.slots = 2"));
    daemon.until_ready("a", PATIENCE);
    let [first, second] = [daemon.lease("a").unwrap(), daemon.lease("a").unwrap()];

    let address = daemon.url().strip_prefix("http://").unwrap();
    let mut leaver = TcpStream::connect(address).unwrap();
    let ask = "POST /v1/pools/a/leases HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}";
    leaver.write_all(ask.as_bytes()).unwrap();
    daemon.until("a", PATIENCE, "a waiting ask", |pool| pool.leases.queued == 1);
    std::thread::scope(|threads| {
        let third = threads.spawn(|| daemon.lease("a").expect("a slot comes free"));
        daemon.until("a", PATIENCE, "a second waiting ask", |pool| pool.leases.queued == 2);
        assert_eq!(daemon.pool("a").leases.granted, 2);
        drop(leaver);
        daemon.until("a", PATIENCE, "one waiting ask", |pool| pool.leases.queued == 1);
        assert_eq!(daemon.delete(&format!("/v1/leases/{}", first.id)), 200);
        let third = third.join().unwrap();
        let leases = daemon.pool("a").leases;
        assert_eq!((leases.active, leases.queued, leases.granted), (2, 0, 3));
        assert_eq!(daemon.delete(&format!("/v1/leases/{}", third.id)), 200);
    });
    assert_eq!(daemon.delete(&format!("/v1/leases/{}", second.id)), 200);
    let leases = daemon.pool("a").leases;
    assert_eq!((leases.active, leases.granted, leases.completed), (0, 3, 3));
    daemon.stop();
}

#[test]
fn files_tell_who_runs_and_where_a_ready_engine_is() {
    let mut port = 0;
    let keys = "model = \"org/demo\"\nengine_version = \"b5000\"\ndevices = [\"0\"]\nlease.slots = 3\n\
                catalog_id = \"demo-7b\"\nhints.first_token = \"180ms\"";
    let arguments = ["--open-port", "when-loaded", "--load-time", "500ms"];
    let daemon = Daemon::start(|ports| {
        port = ports.next_port();
        stub::pool("a", port, &arguments, keys)
    });
    let starting = daemon.until("a", PATIENCE, "a PID file", |_| daemon.pid_file("a").exists());
    assert!(!starting.ready && !daemon.handoff("a").exists(), "the PID file is there before readiness");
    let ready = daemon.until_ready("a", PATIENCE).engine.unwrap();
    let pid = fs::read_to_string(daemon.pid_file("a")).unwrap();
    assert_eq!(pid.trim().parse(), Ok(ready.pid.unwrap()));
    daemon.until("a", PATIENCE, "a handoff file", |_| daemon.handoff("a").exists());
    let handoff: Value = serde_json::from_slice(&fs::read(daemon.handoff("a")).unwrap()).unwrap();
    let port_text = port.to_string();
    let flags = [&["--port", port_text.as_str()][..], &arguments].concat();
    let expected = json!({
        "engine": "http", "engine_version": "b5000", "url": format!("http://127.0.0.1:{port}"),
        "pool_id": "a", "replica_id": format!("a/{}", ready.incarnation), "model": {"path": "org/demo", "digest": null},
        "flags": flags, "device_mask": ["0"], "slots_total": 3, "catalog_id": "demo-7b",
        "hints": {"tokens_per_second": null, "first_token_ms": 180},
    });
    assert_eq!(handoff, expected);
    daemon.stop();
}

#[test]
fn a_daemon_that_was_stopped_for_a_while_blames_no_engine() {
    let daemon = Daemon::start(|ports| {
        let keys = "liveness.interval = \"50ms\"\nliveness.timeout = \"100ms\"\nliveness.failures = 2";
        stub::pool("a", ports.next_port(), &[], keys)
    });
    let before = daemon.until_ready("a", PATIENCE).engine.unwrap();
    daemon.signal(Signal::SIGSTOP);
    // Nothing happens meanwhile that could be waited for.
    std::thread::sleep(Duration::from_secs(3));
    daemon.signal(Signal::SIGCONT);
    let beats = |pool: &pool_manager::control::PoolStatus| {
        pool.engine.as_ref().is_some_and(|engine| engine.ready_seconds > Some(3.5))
            && pool.heartbeat_seconds < Some(0.5)
    };
    let after = daemon.until("a", PATIENCE, "a heartbeat", beats);
    assert_eq!((after.crashes_total, after.engine.unwrap().pid), (0, before.pid));
    daemon.stop();
}

#[test]
fn the_event_stream_shows_every_phase_in_order() {
    let daemon = Daemon::start(|ports| {
        stub::pool("a", ports.next_port(), &["--load-time", "50ms"], "autostart = false")
    });
    assert_eq!(daemon.pool("a").phase, PhaseName::Stopped);
    let mut events = daemon.events();
    daemon.operate("a", "preload", "");
    daemon.operate("a", "drain", "");
    let expected =
        ["stopped", "staging", "waiting", "starting", "ready", "draining", "stopping", "ended", "stopped"];
    for pair in expected.windows(2) {
        let changed = events.next_of("phase_changed");
        assert_eq!([&changed.details["from"], &changed.details["to"]], [pair[0], pair[1]], "{changed:?}");
        assert_eq!(changed.pool.as_deref(), Some("a"));
    }
    daemon.stop();
}

#[test]
fn metrics_have_the_drain_histogram_by_pool_and_outcome() {
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], ""));
    daemon.until_ready("a", PATIENCE);
    assert_eq!(daemon.operate("a", "drain", "").state, "completed");
    let metrics = daemon.text("/metrics");
    let has = |name: &str, labels: &[&str]| {
        let fits = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
        metrics.lines().filter(fits).count()
    };
    let labels = ["pool_id=\"a\"", "outcome=\"completed\""];
    assert_eq!(has("pool_manager_drain_duration_seconds_count{", &labels), 1, "{metrics}");
    assert!(has("pool_manager_drain_duration_seconds_bucket{", &labels) > 3, "{metrics}");
    assert!(metrics.contains("# TYPE pool_manager_drain_duration_seconds histogram"), "{metrics}");
    daemon.stop();
}

#[test]
fn secrets_reach_the_engine_and_nobody_else() {
    let secrets = ["from-env-5t9x2k", "from-file-8w3m7q"];
    let folder = tempfile::tempdir().unwrap();
    let env_file = folder.path().join("a.env");
    fs::write(&env_file, format!("FILE_SECRET={}\n", secrets[1])).unwrap();
    fs::set_permissions(&env_file, fs::Permissions::from_mode(0o600)).unwrap();
    let keys = format!("env = {{ KEY_SECRET = {:?} }}\nenv_file = {env_file:?}", secrets[0]);
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], &keys));
    let pid = daemon.until_ready("a", PATIENCE).engine.unwrap().pid.unwrap();
    daemon.until("a", PATIENCE, "a handoff file", |_| daemon.handoff("a").exists());
    let of_process = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap();
    let environment = String::from_utf8(of_process("environ")).unwrap();
    assert!(secrets.iter().all(|secret| environment.contains(secret)), "the engine has them");

    let mut seen = vec![String::from_utf8(of_process("cmdline")).unwrap()];
    let answers = ["/v1/pools", "/v1/pools/a", "/v1/pools/a/why", "/v1/pools/a/logs", "/metrics"];
    seen.extend(answers.map(|path| daemon.text(path)));
    crate::real::kill(pid);
    daemon.until("a", PATIENCE, "replacement", |pool| pool.ready && pool.crashes_total == 1);
    seen.extend(answers.map(|path| daemon.text(path)));
    seen.push(fs::read_to_string(daemon.handoff("a")).unwrap_or_default());
    let folder = daemon.stop();
    seen.push(fs::read_to_string(folder.path().join("daemon.log")).unwrap());
    for run in fs::read_dir(folder.path().join("state/logs/a")).unwrap() {
        seen.push(fs::read_to_string(run.unwrap().path()).unwrap());
    }
    for text in &seen {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

#[test]
fn the_log_is_json_lines_with_the_promised_fields() {
    let keys = "model = \"org/demo\"\nengine_version = \"b5000\"\ndevices = [\"0\", \"1\"]";
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], keys));
    let pid = daemon.until_ready("a", PATIENCE).engine.unwrap().pid.unwrap();
    crate::real::kill(pid);
    daemon.until("a", PATIENCE, "replacement", |pool| pool.ready && pool.crashes_total == 1);
    let drain = daemon.operate("a", "drain", "");
    let folder = daemon.stop();
    let log = fs::read_to_string(folder.path().join("daemon.log")).unwrap();
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let last = |message: &str| {
        records
            .iter()
            .rfind(|record| record["message"] == message)
            .unwrap_or_else(|| panic!("no {message}: {log}"))
    };
    let ready = last("engine ready");
    let promised = [
        ("pool_id", json!("a")),
        ("engine", json!("http")),
        ("engine_version", json!("b5000")),
        ("device_mask", json!("0,1")),
        ("model_id", json!("org/demo")),
        ("incarnation", json!("1.2")),
        ("restart_count", json!(1)),
        ("last_error", json!("signal SIGKILL")),
    ];
    for (field, value) in promised {
        assert_eq!(ready[field], value, "{field} of {ready}");
    }
    assert!(last("restart scheduled")["backoff_ms"].as_u64() > Some(0), "{}", last("restart scheduled"));
    assert_eq!(last("drain started")["correlation_id"], drain.correlation_id.as_str());
}
