//! Ends nobody asked for: what they are called, and what follows.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pool_manager::control::PoolStatus;
use pool_manager_core::{HoldReason, PhaseName};

use crate::process::Daemon;
use crate::real;
use crate::stub::{self, PATIENCE};

fn class(pool: &PoolStatus) -> Option<&str> {
    pool.last_error.as_ref().map(|error| error.verdict.class.as_str())
}

#[test]
fn an_end_is_called_by_what_the_evidence_says() {
    const NEVER: &str = "restart.mode = \"never\"";
    let cases = [
        ("exit", vec!["--at", "ready+100ms=exit:3"], "exit", "exit code 3"),
        ("segv", vec!["--at", "ready+100ms=signal:SEGV"], "signal", "signal SIGSEGV"),
        (
            "cuda",
            vec![
                "--at",
                "ready+100ms=log:CUDA error: an illegal memory access was encountered",
                "--at",
                "ready+120ms=signal:ABRT",
            ],
            "cuda",
            "CUDA error",
        ),
    ];
    let daemon = Daemon::start(|ports| {
        let pool = |(name, arguments, ..): &(&str, Vec<&str>, &str, &str)| {
            stub::pool(name, ports.next_port(), arguments, NEVER)
        };
        cases.iter().map(pool).collect()
    });
    for (name, _, class, text) in &cases {
        let pool = daemon.until(name, PATIENCE, "crash", |pool| pool.phase == PhaseName::Stopped);
        let error = pool.last_error.expect("a crash leaves its reason");
        assert_eq!(error.verdict.class, *class, "{error:?}");
        assert!(error.verdict.text.contains(text), "{error:?}");
        assert_eq!(pool.crashes_total, 1);
        assert!(daemon.text(&format!("/v1/pools/{name}/why")).contains(text), "why says it too");
    }
    daemon.stop();
}

#[test]
fn an_engine_that_never_gets_ready_is_stopped_and_tried_again() {
    let daemon = Daemon::start(|ports| {
        stub::pool("a", ports.next_port(), &["--never-ready"], "start.timeout = \"200ms\"")
    });
    let mut events = daemon.events();
    let pool = daemon.until("a", PATIENCE, "second start", |pool| pool.crashes_total >= 2);
    assert_eq!(class(&pool), Some("start_timeout"));
    assert!(pool.restart_count >= 1 && pool.failures >= 2, "{pool:?}");
    let delay = |scheduled: &serde_json::Map<String, serde_json::Value>| scheduled["backoff_ms"].as_u64();
    let first = events.next_of("restart_scheduled");
    let second = events.next_of("restart_scheduled");
    assert!(delay(&second.details) > delay(&first.details), "{first:?} {second:?}");
    daemon.stop();
}

#[test]
fn a_wrong_command_line_holds_the_pool_and_a_preload_is_one_try() {
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &["--at", "start=exit:2"], ""));
    let held = |pool: &PoolStatus| pool.held == Some(HoldReason::Config);
    let pool = daemon.until("a", PATIENCE, "hold", held);
    assert_eq!((pool.state.as_str(), class(&pool), pool.crashes_total), ("failed", Some("config"), 1));
    let preload = daemon.operate("a", "preload", "");
    assert_eq!((preload.state.as_str(), preload.succeeded), ("failed", Some(false)), "{preload:?}");
    let pool = daemon.until("a", PATIENCE, "hold", held);
    assert_eq!(pool.crashes_total, 2);
    let runs = fs::read_dir(daemon.state().join("logs/a")).unwrap().count();
    assert_eq!(runs, 2, "the first start and the preload's");
    daemon.stop();
}

#[test]
fn a_model_that_appears_ends_the_hold() {
    let models = tempfile::tempdir().unwrap();
    let model = models.path().join("late.gguf");
    let keys = format!("model = {model:?}\nrestart.config_recheck = \"200ms\"");
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], &keys));
    let pool = daemon.until("a", PATIENCE, "hold", |pool| pool.held == Some(HoldReason::Config));
    assert_eq!(class(&pool), Some("stage_failed"));
    assert!(!daemon.state().join("logs/a").exists(), "nothing is started without its model");
    assert!(daemon.text("/v1/pools/a/why").contains("late.gguf"), "why names the file");
    fs::write(&model, "weights").unwrap();
    daemon.until_ready("a", PATIENCE);
    daemon.stop();
}

#[test]
fn an_unhealthy_engine_is_replaced() {
    let daemon = Daemon::start(|ports| {
        let keys = "liveness.interval = \"50ms\"\nliveness.failures = 3";
        stub::pool("a", ports.next_port(), &["--at", "request:1=health:500"], keys)
    });
    let mut events = daemon.events();
    let pool = daemon.until_ready("a", PATIENCE);
    let first = pool.engine.unwrap();
    stub::generate(&pool.url.unwrap());
    let crash = events.next_of("crashed");
    assert_eq!(crash.incarnation.as_deref(), Some("1.1"));
    let is_replaced = |pool: &PoolStatus| {
        pool.ready && pool.engine.as_ref().is_some_and(|engine| engine.incarnation != first.incarnation)
    };
    let second = daemon.until("a", PATIENCE, "replacement", is_replaced);
    let error = second.last_error.clone().unwrap();
    assert_eq!(error.verdict.class, "unhealthy", "{error:?}");
    daemon.stop();
}

#[test]
fn a_hanging_health_endpoint_is_excused_while_work_gets_done_and_not_longer() {
    let daemon = Daemon::start(|ports| {
        let keys = "liveness.interval = \"50ms\"\nliveness.timeout = \"100ms\"\nliveness.failures = 2\n\
                    restart.mode = \"never\"";
        stub::pool("a", ports.next_port(), &["--at", "request:1=health:hang"], keys)
    });
    let mut events = daemon.events();
    stub::generate(&daemon.until_ready("a", PATIENCE).url.unwrap());
    let working = AtomicBool::new(true);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let until = Instant::now() + PATIENCE;
            while working.load(Ordering::Relaxed) && Instant::now() < until {
                let lease = daemon.lease("a").expect("the pool serves");
                assert_eq!(daemon.delete(&format!("/v1/leases/{}", lease.id)), 200);
            }
        });
        for _ in 0..4 {
            let failed = events.next_of("probe_failed");
            assert_eq!(failed.details["counted"], false, "{failed:?}");
        }
        working.store(false, Ordering::Relaxed);
    });
    let pool = daemon.until("a", PATIENCE, "crash", |pool| pool.crashes_total == 1);
    daemon.until("a", PATIENCE, "end", |pool| pool.phase == PhaseName::Stopped);
    assert_eq!(class(&pool), Some("unhealthy"));
    daemon.stop();
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let daemon = Daemon::start_logging_to(Some(full), |ports| stub::pool("a", ports.next_port(), &[], ""));
    let pid = daemon.until_ready("a", PATIENCE).engine.and_then(|engine| engine.pid).unwrap();
    real::kill(pid);
    daemon.until("a", PATIENCE, "replacement", |pool| pool.ready && pool.crashes_total == 1);
    daemon.stop();
}
