//! With llama.cpp's llama-server: a real engine and a real model of random weights.
//!
//! `.ci/real-engine` makes the engine. Without it these tests are left out, said in one line; where
//! `POOL_MANAGER_REQUIRE_ENGINE` is set (as in `.ci/run`) that is a failure.

use std::time::{Duration, Instant};

use pool_manager::control::{OperationStatus, PoolStatus};
use pool_manager_core::PhaseName;

use crate::process::Daemon;
use crate::real::{self, Engine, Stream};

/// Far more than anything here takes; only a broken build waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_pool_is_ready_only_after_the_engine_says_200() {
    let Some(engine) = Engine::find() else { return };
    let daemon = Daemon::start(|ports| engine.pool("slow", "slow", ports.next_port(), &["--no-mmap"]));
    let mut loading_seen = 0;
    let until = Instant::now() + PATIENCE;
    loop {
        let before = daemon.pool("slow");
        let health = real::health(before.port.unwrap());
        if before.ready {
            assert_eq!(health, Some(200), "the pool was ready before its engine");
            break;
        }
        let after = daemon.pool("slow");
        if health == Some(503) && before.phase == PhaseName::Starting && after.phase == PhaseName::Starting {
            assert!(after.live && !after.ready, "a loading engine is live and not ready: {after:?}");
            assert!(!daemon.handoff("slow").exists(), "no handoff before health");
            loading_seen += 1;
        }
        assert!(Instant::now() < until, "not ready: {after:?}");
    }
    assert!(loading_seen > 0, "the engine was never seen loading; is the slow model still slow?");
    daemon.until("slow", PATIENCE, "a handoff file", |_| daemon.handoff("slow").exists());
    daemon.stop();
}

#[test]
fn a_stream_under_a_lease_survives_a_drain() {
    let Some(engine) = Engine::find() else { return };
    let daemon = Daemon::start(|ports| engine.pool("chat", "slow", ports.next_port(), &[]));
    let pool = daemon.until_ready("chat", PATIENCE);
    let pid = pool.engine.as_ref().and_then(|engine| engine.pid).unwrap();

    let lease = daemon.lease("chat").expect("a ready pool grants a lease");
    let mut stream = Stream::open(lease.engine_url.as_deref().unwrap(), 120);
    assert!(stream.next_token(), "the stream has begun");

    let (status, drain) = daemon.post("/v1/pools/chat/drain", r#"{"deadline":"60s"}"#);
    assert_eq!(status, 202, "{drain}");
    let refused = daemon.lease("chat").expect_err("a draining pool grants no lease");
    assert_eq!(refused.status, 409);
    assert!(refused.detail.contains("draining"), "{refused:?}");

    let mut tokens = 1;
    while stream.next_token() {
        tokens += 1;
        // The engine is touched by nobody while the lease lives.
        assert_eq!(daemon.pool("chat").phase, PhaseName::Draining);
    }
    assert!(stream.ended_properly(), "the stream broke off after {tokens} tokens");
    let draining = daemon.pool("chat");
    assert_eq!((draining.live, draining.ready, draining.leases.active), (true, false, 1), "{draining:?}");

    assert_eq!(daemon.delete(&format!("/v1/leases/{}", lease.id)), 200);
    let id = drain["id"].as_u64().unwrap();
    let ended: OperationStatus = daemon.get(&format!("/v1/operations/{id}?wait=30s"));
    assert_eq!((ended.state.as_str(), ended.succeeded), ("completed", Some(true)), "{ended:?}");
    assert!(!real::runs(pid), "the engine is gone when the drain has ended");
    assert!(!daemon.pid_file("chat").exists() && !daemon.handoff("chat").exists());
    daemon.stop();
}

#[test]
fn a_killed_engine_is_unready_at_once_and_replaced_while_the_other_pool_works_on() {
    let Some(engine) = Engine::find() else { return };
    let daemon = Daemon::start(|ports| {
        let victim = engine.pool("victim", "tiny-0", ports.next_port(), &[]);
        victim + &engine.pool("neighbour", "slow", ports.next_port(), &[])
    });
    let before = daemon.until_ready("victim", PATIENCE);
    let neighbour = daemon.until_ready("neighbour", PATIENCE);
    let lease = daemon.lease("neighbour").expect("a ready pool grants a lease");
    let mut stream = Stream::open(lease.engine_url.as_deref().unwrap(), 120);
    assert!(stream.next_token(), "the stream has begun");

    let pid = before.engine.as_ref().and_then(|engine| engine.pid).unwrap();
    let killed = Instant::now();
    real::kill(pid);
    real::until_gone(pid, PATIENCE);
    // The daemon takes an exit before it gives the pid back, and reads see what was taken before.
    let dead = daemon.pool("victim");
    assert!(!dead.ready && !dead.live, "{dead:?}");
    assert_eq!(daemon.lease("victim").expect_err("no engine, no lease").status, 503);

    let is_replaced = |pool: &PoolStatus| pool.ready && pool.crashes_total == 1;
    let after = daemon.until("victim", PATIENCE, "a replacement", is_replaced);
    assert!(killed.elapsed() >= Duration::from_millis(900), "the backoff of 1 s (-10 %) was waited for");
    assert_ne!(after.engine.as_ref().unwrap().pid, Some(pid));
    let error = after.last_error.expect("a crash leaves its reason");
    assert_eq!((error.class.as_str(), after.restart_count), ("signal", 1));
    assert!(error.text.contains("SIGKILL"), "{error:?}");

    while stream.next_token() {}
    assert!(stream.ended_properly(), "the neighbour's stream was disturbed");
    let neighbour_after = daemon.pool("neighbour");
    assert_eq!(neighbour_after.crashes_total, 0);
    let run = |pool: &PoolStatus| pool.engine.as_ref().map(|engine| (engine.incarnation.clone(), engine.pid));
    assert_eq!(run(&neighbour_after), run(&neighbour));
    assert_eq!(daemon.delete(&format!("/v1/leases/{}", lease.id)), 200);
    daemon.stop();
}

#[test]
fn nothing_is_left_after_term_to_the_daemon() {
    let Some(engine) = Engine::find() else { return };
    let daemon = Daemon::start(|ports| {
        let one = engine.pool("one", "tiny-0", ports.next_port(), &[]);
        one + &engine.pool("two", "tiny-1", ports.next_port(), &[])
    });
    let pids: Vec<u32> = ["one", "two"]
        .map(|pool| daemon.until_ready(pool, PATIENCE).engine.and_then(|engine| engine.pid).unwrap())
        .into();
    daemon.until("one", PATIENCE, "a handoff file", |_| daemon.handoff("one").exists());
    assert!(daemon.pid_file("one").exists() && daemon.pid_file("two").exists());

    let folder = daemon.stop();
    assert!(pids.iter().all(|pid| !real::runs(*pid)), "an engine outlived its daemon");
    for left in ["run", "handoff"] {
        let names: Vec<_> = std::fs::read_dir(folder.path().join("state").join(left)).unwrap().collect();
        assert!(names.is_empty(), "{left}: {names:?}");
    }
}
