//! What the shipped daemon does with models, devices and logs: fetches and checks, looks, follows.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};

use crate::process::Daemon;
use crate::stub::{self, PATIENCE};

const WEIGHTS: &[u8] = b"weights of a very small model";

/// Serves the weights to whoever asks; returns its address, and how often it was asked.
fn serve_weights() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:hush@{}/a.gguf?key=hush", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(&stream).lines().map_while(Result::ok);
            assert!(request.take_while(|line| !line.is_empty()).count() > 0);
            counted.fetch_add(1, Ordering::SeqCst);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", WEIGHTS.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(WEIGHTS)).unwrap();
        }
    });
    (url, asked)
}

fn digest_of(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keys(model: &Path, url: &str, digest: &str) -> String {
    format!(
        "model = {model:?}\nmodel_url = {url:?}\ndigest = \"sha256:{digest}\"\nsize_bytes = {}",
        WEIGHTS.len()
    )
}

#[test]
fn a_model_is_fetched_before_its_engine_starts_and_once() {
    let models = tempfile::tempdir().unwrap();
    let model = models.path().join("chat/a.gguf");
    let (url, asked) = serve_weights();
    let keys = keys(&model, &url, &digest_of(WEIGHTS));
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &["--model", "${MODEL}"], &keys));
    daemon.until_ready("a", PATIENCE);
    assert_eq!(fs::read(&model).unwrap(), WEIGHTS);
    let restarted = daemon.operate("a", "restart", "{}");
    assert_eq!(restarted.state, "completed", "{restarted:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let said = daemon.text("/v1/pools/a") + &daemon.text("/v1/pools/a/why") + &daemon.log();
    assert!(!said.contains("hush"), "{said}");
    daemon.stop();
}

#[test]
fn a_model_that_is_not_what_was_stated_is_never_served() {
    let models = tempfile::tempdir().unwrap();
    let model = models.path().join("a.gguf");
    let (url, _) = serve_weights();
    let keys = keys(&model, &url, &digest_of(b"other weights"));
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &["--model", "${MODEL}"], &keys));
    daemon.until("a", PATIENCE, "a reason", |pool| pool.last_error.is_some());
    let why = daemon.text("/v1/pools/a/why");
    assert!(why.contains("does not match its digest"), "{why}");
    let pool = daemon.pool("a");
    assert!(pool.engine.is_none() && !pool.ready, "{pool:?}");
    // The log is written beside everything else: its lines may come later than an answer of the API.
    let said = |daemon: &Daemon| daemon.log().contains("does not add up to the stated digest");
    daemon.until("a", PATIENCE, "a line of the log", |_| said(&daemon));
    daemon.stop();
    assert_eq!(fs::read_dir(models.path()).unwrap().count(), 0, "nothing of it is kept");
}

#[test]
fn a_pool_whose_gpu_is_not_there_waits_and_says_so() {
    let keys = "devices = [\"GPU-00000000-dead-beef-0000-000000000000\"]\ncheck_devices = true";
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], keys));
    // A host whose driver is in a bad way says that instead; either keeps the pool down.
    daemon.until("a", PATIENCE, "a gate", |pool| pool.gates.iter().any(|gate| gate.gate == "host_problem"));
    let said = |daemon: &Daemon| daemon.log().contains("GPU-00000000-dead-beef-0000-000000000000");
    daemon.until("a", PATIENCE, "a line of the log", |_| said(&daemon));
    assert!(daemon.pool("a").engine.is_none());
    daemon.stop();
}

const CUDA_ERROR: &str = "request:1=log:CUDA error: an illegal memory access was encountered";

#[test]
fn an_engine_that_logs_a_cuda_error_and_stays_healthy_serves_again() {
    let keys = "liveness.suspect_for = \"1s\"\nliveness.interval = \"100ms\"";
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &["--at", CUDA_ERROR], keys));
    let before = daemon.until_ready("a", PATIENCE);
    let mut events = daemon.events();
    stub::generate(&before.url.unwrap());
    events.next_of("engine_suspect");
    events.next_of("engine_cleared");
    let after = daemon.until_ready("a", PATIENCE);
    assert_eq!(after.engine.unwrap().pid, before.engine.unwrap().pid);
    assert_eq!(after.crashes_total, 0);
    daemon.stop();
}

#[test]
fn an_engine_whose_log_is_trusted_is_replaced_at_its_first_cuda_error() {
    let keys = "liveness.log_is_trusted = true\nliveness.doom_drain = \"1s\"";
    let daemon = Daemon::start(|ports| stub::pool("a", ports.next_port(), &["--at", CUDA_ERROR], keys));
    let before = daemon.until_ready("a", PATIENCE);
    stub::generate(&before.url.unwrap());
    let old = before.engine.unwrap().pid;
    let after = daemon.until("a", PATIENCE, "another engine", |pool| {
        pool.ready && pool.engine.as_ref().is_some_and(|engine| engine.pid != old)
    });
    assert_eq!(after.crashes_total, 1);
    assert_eq!(after.last_error.unwrap().verdict.class, "cuda");
    daemon.stop();
}
