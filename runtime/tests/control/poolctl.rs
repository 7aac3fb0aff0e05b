//! `poolctl` as a process: what it prints, and its exit codes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use pool_manager::control::Tokens;

use crate::stage::Stage;

fn command(stage: &Stage, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poolctl"));
    command.args(arguments.split(' ')).args(["--url", &stage.url()]).env_clear();
    command
}

/// Runs to its end: exit code, standard output, standard error.
pub(crate) fn run(stage: &Stage, arguments: &str) -> (i32, String, String) {
    read(&command(stage, arguments).output().unwrap())
}

fn read(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn status_is_a_plain_aligned_table_in_a_pipe() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let (code, table, _) = run(&stage, "status");
    assert_eq!(code, 0);
    assert!(table.is_ascii() && !table.contains('\x1b'), "{table}");
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 7, "{table}");
    let column = lines[0].find("STATE").unwrap();
    assert!(lines[0].starts_with("POOL"), "{table}");
    let row = lines.iter().find(|line| line.starts_with("llama")).unwrap();
    assert!(
        row[column..].starts_with("ready") && row.contains("llama.gguf") && row.contains("4002"),
        "{table}"
    );
    assert!(lines[1..].iter().all(|line| line.as_bytes()[column - 1] == b' '), "{table}");

    let (code, detail, _) = run(&stage, "status llama");
    assert_eq!(code, 0);
    assert!(detail.contains("state:            ready for"), "{detail}");
    assert!(detail.contains("http://127.0.0.1:9001"), "{detail}");
}

#[test]
fn json_is_the_apis_own_document() {
    let stage = Stage::start();
    for (arguments, path) in
        [("status --json", "/v1/pools"), ("leases llama --json", "/v1/pools/llama/leases")]
    {
        let (code, text, _) = run(&stage, arguments);
        assert_eq!(code, 0, "{arguments}");
        let printed: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys = |json: &serde_json::Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&printed), keys(&stage.get(path).json), "{arguments}");
    }
    let (code, text, _) = run(&stage, "--json drain lama");
    assert_eq!(code, 1);
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["nearest"], "llama");
}

#[test]
fn why_reads_like_an_answer() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    stage.crash(2);
    stage.until("/v1/pools/llama", |pool| pool["state"] == "waiting");
    let (code, text, _) = run(&stage, "why llama");
    assert_eq!(code, 0);
    for part in
        ["has been waiting to start", "Why:", "SIGSEGV", "Next:", "What you can do:", "poolctl stop llama"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn drain_begins_or_waits_and_says_how_it_ended() {
    let stage = Stage::start();
    stage.ready(&["llama", "tiny"]);
    let lease = stage.lease("llama");
    let (code, text, _) = run(&stage, "drain llama --deadline 30s");
    assert_eq!(code, 0);
    assert!(text.contains("drain began as operation"), "{text}");
    let (code, text, _) = run(&stage, "leases llama");
    assert!(code == 0 && text.contains(&lease), "{text}");
    let (code, text, _) = run(&stage, "undrain llama");
    assert!(code == 0 && text.contains("serves again"), "{text}");

    let waiting =
        command(&stage, "drain llama --wait").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stage.until("/v1/pools/llama", |pool| pool["draining"] == true);
    let (code, text, _) = run(&stage, &format!("leases end {lease}"));
    assert!(code == 0 && text.contains("ended"), "{text}");
    let (code, text, errors) = read(&waiting.wait_with_output().unwrap());
    assert_eq!((code, text.as_str(), errors.as_str()), (0, "llama: drain completed\n", ""));

    let _lease = stage.lease("tiny");
    let (code, _, errors) = run(&stage, "drain tiny --deadline 0.05 --wait");
    assert_eq!(code, 1, "a drain that had to cut is not what was asked");
    assert!(errors.contains("1 lease was cut"), "{errors}");
}

#[test]
fn starts_are_waited_for_and_failures_told() {
    let stage = Stage::start();
    let (code, text, _) = run(&stage, "preload llama --wait");
    assert_eq!((code, text.as_str()), (0, "llama: preload completed\n"));
    let (code, _, errors) = run(&stage, "preload broken --wait");
    assert_eq!(code, 1);
    assert!(errors.contains("model file missing"), "{errors}");
    let (code, text, _) = run(&stage, "restart llama --wait");
    assert!(code == 0 && text.contains("restart completed"), "{text}");
    let (code, text, _) = run(&stage, "stop llama --wait");
    assert!(code == 0 && text.contains("stop completed"), "{text}");
    let (code, text, _) = run(&stage, "health");
    assert!(code == 0 && text.contains("0 of 6 pools ready"), "{text}");
}

#[test]
fn refusals_say_what_to_do_next() {
    let stage = Stage::start();
    let (code, _, errors) = run(&stage, "why lama");
    assert_eq!(code, 1);
    assert_eq!(errors, "poolctl: there is no pool `lama`; did you mean `llama`?\n");
    let (code, _, errors) = run(&stage, "undrain llama");
    assert!(code == 1 && errors.contains("not draining"), "{errors}");
    for usage in ["drain", "drain llama --deadline abc", "frobnicate", "why a/b"] {
        assert_eq!(run(&stage, usage).0, 2, "{usage}");
    }
    let (code, _, errors) = run(&stage, "drain llama --deadline 25h");
    assert!(code == 1 && errors.contains("`deadline`"), "{errors}");
}

#[test]
fn a_daemon_that_is_not_there_is_said_so() {
    let mut stage = Stage::start();
    stage.end();
    let (code, _, errors) = run(&stage, "status");
    assert_eq!(code, 3);
    assert!(errors.contains("connection refused") && errors.contains("pool-managerd run --demo"), "{errors}");
    assert_eq!(run(&stage, "events").0, 3);
}

#[test]
fn tokens_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::with(|api| api.tokens = Tokens::new(Some("look"), Some("act")));
    let (code, _, errors) = run(&stage, "status");
    assert!(code == 4 && errors.contains("--token-file"), "{errors}");
    let file = |name: &str, token: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, token).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (look, act) = (file("look", "look\n"), file("act", "act\n"));
    assert_eq!(run(&stage, &format!("status --token-file {look}")).0, 0);
    assert_eq!(run(&stage, &format!("stop llama --token-file {look}")).0, 4);
    let by_environment = command(&stage, "stop llama").env("POOL_MANAGER_TOKEN_FILE", &act).output().unwrap();
    assert_eq!(by_environment.status.code(), Some(0));
    let (code, _, errors) = run(&stage, "status --token-file /nowhere/token");
    assert!(code == 4 && errors.contains("/nowhere/token"), "{errors}");
}

#[test]
fn events_are_followed_line_by_line() {
    let stage = Stage::start();
    let mut follower = command(&stage, "events --pool llama").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let now = lines.next().unwrap().unwrap();
    assert!(now.contains("llama stopped"), "{now}");
    stage.ready(&["mistral", "llama"]);
    let line = lines.find(|line| line.as_ref().unwrap().contains("engine_ready")).unwrap().unwrap();
    assert!(line.contains("llama") && !line.contains("mistral"), "{line}");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn shells_get_their_completions() {
    let stage = Stage::start();
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = run(&stage, &format!("completions {shell}"));
        assert!(code == 0 && script.contains("undrain"), "{shell}");
    }
    let (code, help, _) = run(&stage, "--help");
    assert!(code == 0 && help.contains("Exit codes:") && help.contains("poolctl drain llama"), "{help}");
}
