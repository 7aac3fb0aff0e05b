//! Reload in the shipped daemon: another engine process in the place of the one that serves, or the old one back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::Daemon;
use crate::stub::PATIENCE;

/// An engine that ends at once when its model is called `bad`; any other is the stub engine.
fn picky_engine(folder: &Path) -> String {
    let path = folder.join("engine");
    let stub = env!("CARGO_BIN_EXE_stub-engine");
    let script = format!(
        "#!/bin/sh\ncase \"$2\" in *bad*) exit 7;; esac\nexec '{stub}' --port \"$1\" --model \"$2\"\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn start(folder: &Path) -> Daemon {
    Daemon::start(|ports| {
        format!(
            "[pool.a]\nengine = \"http\"\ncommand = [{:?}, \"${{PORT}}\", \"${{MODEL}}\"]\nmodel = \"good-v1\"\n\
             devices = [\"0\", \"1\"]\nport = {}\nstart.probe_interval = \"20ms\"\n",
            picky_engine(folder),
            ports.next_port()
        )
    })
}

#[test]
fn another_model_is_another_process_on_the_same_port_and_devices() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let before = daemon.until_ready("a", PATIENCE);
    let done = daemon.operate("a", "reload", r#"{"model":"good-v2"}"#);
    assert_eq!(done.state, "completed", "{done:?}");
    let after = daemon.pool("a");
    assert!(after.ready, "{after:?}");
    assert_eq!(after.catalog.model, "good-v2");
    assert_eq!(after.previous.map(|entry| entry.model).as_deref(), Some("good-v1"));
    assert_eq!((after.url, after.device_mask), (before.url, before.device_mask));
    let [old, new] =
        [before.engine, after.engine].map(|engine| engine.and_then(|engine| engine.pid).unwrap());
    assert_ne!(old, new);
    let command = fs::read_to_string(format!("/proc/{new}/cmdline")).unwrap();
    assert!(command.contains("good-v2"), "{command}");
    daemon.until("a", PATIENCE, "a handoff file of the new model", |_| {
        let handoff = fs::read_to_string(daemon.handoff("a")).unwrap_or_default();
        let handoff: Value = serde_json::from_str(&handoff).unwrap_or_default();
        handoff["model"]["path"] == "good-v2" && handoff["device_mask"] == json!(["0", "1"])
    });
    assert_eq!(fs::read_to_string(daemon.pid_file("a")).unwrap().trim().parse(), Ok(new));
    let metrics = daemon.text("/metrics");
    let success = "pool_manager_reloads_total{pool_id=\"a\",outcome=\"success\"} 1";
    assert!(metrics.contains(success), "{metrics}");
    daemon.stop();
}

#[test]
fn a_model_that_does_not_start_leaves_the_old_one_serving() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    daemon.until_ready("a", PATIENCE);
    let failed = daemon.operate("a", "reload", r#"{"model":"bad"}"#);
    assert_eq!(failed.state, "rolled_back", "{failed:?}");
    assert_eq!(failed.verdict.unwrap().text, "exit code 7");
    let after = daemon.pool("a");
    assert!(after.ready, "{after:?}");
    assert_eq!((after.catalog.model.as_str(), after.crashes_total), ("good-v1", 0));
    assert!(after.last_error.is_none(), "the new model's end is not the pool's: {after:?}");
    let metrics = daemon.text("/metrics");
    let failure = "pool_manager_reload_failures_total{pool_id=\"a\",reason=\"exit\"} 1";
    assert!(metrics.contains(failure), "{metrics}");
    daemon.stop();
}
