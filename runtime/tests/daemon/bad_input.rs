//! What a person can get wrong: every mistake is one clear line that says where, and nothing is left
//! half done.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pool_manager::control::Problem;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::Daemon;
use crate::stub::{self, PATIENCE};

/// A folder with a config in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs `pool-managerd run` with this config, expects that it is refused, and returns the line
    /// that says why. `${STATE}` is the state directory.
    fn refused(&self, config: &str) -> String {
        let config = config.replace("${STATE}", &self.state().display().to_string());
        fs::write(self.config(), config).unwrap();
        let output =
            daemon(&["run", "--log-format", "json", "--config", &self.config().display().to_string()]);
        refusal(&output)
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("host.toml")
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }
}

/// Runs `pool-managerd` to its end.
fn daemon(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pool-managerd"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let process = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap());
    let (ended, end) = mpsc::channel();
    let watchdog = std::thread::spawn(move || {
        // One that runs instead of refusing would keep the test for ever.
        if end.recv_timeout(Duration::from_secs(30)).is_err() {
            let _ = kill(pid, Signal::SIGTERM);
        }
    });
    let output = process.wait_with_output().unwrap();
    ended.send(()).unwrap();
    watchdog.join().unwrap();
    output
}

fn refusal(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(stderr.lines().count(), 1, "one mistake, one line: {stderr}");
    stderr.trim_end().to_owned()
}

const TOP: &str = "state_dir = \"${STATE}\"\n[control]\nlisten = \"127.0.0.1:0\"\n";
const POOL: &str = "[pool.chat]\nengine = \"http\"\ncommand = [\"/bin/true\"]\nport = 8081\n";

#[test]
fn a_bad_config_is_one_line_with_file_line_and_key_and_nothing_is_made() {
    let cases = [
        (format!("{TOP}{POOL}modle = \"x\"\n"), ":8: pool.chat.modle: unknown key; did you mean \"model\"?"),
        (format!("{TOP}{POOL}slot = 3\n"), ":8: pool.chat.slot: unknown key"),
        (
            format!("{TOP}{POOL}autostart = \"yes\"\n"),
            ":8: pool.chat.autostart: is a string, must be true or false",
        ),
        (
            format!("{TOP}{POOL}drain.deadline = \"-1s\"\n"),
            ":8: pool.chat.drain.deadline: \"-1s\" is negative",
        ),
        (format!("{TOP}{POOL}drain.deadline = 30\n"), ":8: pool.chat.drain.deadline: 30 has no unit"),
        (format!("{TOP}{POOL}{POOL}"), ":8: "),
        (
            format!("{TOP}{POOL}{}", POOL.replace("chat", "code")),
            ":11: pool.code.port: 8081 is the port of pool \"chat\" too (line 7)",
        ),
        (
            format!("{TOP}{}", POOL.replace("/bin/true", "/nowhere/engine")),
            ":6: pool.chat.command[0]: \"/nowhere/engine\" does not exist",
        ),
        (
            format!("{TOP}{}", POOL.replace("/bin/true", "/etc/passwd")),
            ":6: pool.chat.command[0]: \"/etc/passwd\" is not executable; run: chmod +x",
        ),
        (
            format!("{}{POOL}", TOP.replace("127.0.0.1:0", "0.0.0.0:7070")),
            ":3: control.listen: 0.0.0.0:7070 can be reached from other hosts; set control.admin_token_file",
        ),
        (format!("{TOP}{POOL}[pool"), ":8: "),
    ];
    for (config, expected) in cases {
        let folder = Folder::new();
        let line = folder.refused(&config);
        let at = format!("{}{expected}", folder.config().display());
        assert!(line.starts_with(&at), "{line}\nis not: {at}");
        assert!(!folder.state().exists(), "a bad config makes nothing: {line}");
        let check = daemon(&["check", "--config", &folder.config().display().to_string()]);
        assert_eq!(refusal(&check), line, "check says the same");
    }
}

#[test]
fn a_config_that_is_not_there_is_named() {
    let line = refusal(&daemon(&["run", "--config", "/nowhere/host.toml"]));
    assert!(line.starts_with("/nowhere/host.toml: cannot be read: No such file"), "{line}");
}

#[test]
fn every_mistake_is_said_in_one_go() {
    let folder = Folder::new();
    let config = format!("{TOP}{POOL}modle = 1\nautostart = 1\n");
    fs::write(folder.config(), config.replace("${STATE}", "/nowhere")).unwrap();
    let output = daemon(&["check", "--config", &folder.config().display().to_string()]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 2), "{stderr}");
}

/// A config whose pool would leave a file behind if it were started.
fn tell_tale(folder: &Folder) -> (String, PathBuf) {
    let trace = folder.0.path().join("started");
    let pool = POOL.replace("\"/bin/true\"", &format!("\"/bin/touch\", {trace:?}"));
    (format!("{TOP}{pool}"), trace)
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_with_its_key() {
    let folder = Folder::new();
    let (config, trace) = tell_tale(&folder);
    fs::write(folder.state(), "a file in the way").unwrap();
    let line = folder.refused(&config);
    let expected = format!("{}: state_dir: {}", folder.config().display(), folder.state().display());
    assert!(line.starts_with(&expected), "{line}");
    assert!(line.contains("is not a directory"), "{line}");
    assert!(!trace.exists(), "no engine was started");
    assert_eq!(fs::read_to_string(folder.state()).unwrap(), "a file in the way");
}

#[test]
fn a_control_address_in_use_is_named_with_its_key_and_no_engine_is_started() {
    let folder = Folder::new();
    let (config, trace) = tell_tale(&folder);
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let line = folder.refused(&config.replace("127.0.0.1:0", &address));
    let expected = format!("{}: control.listen: {address} is in use;", folder.config().display());
    assert!(line.starts_with(&expected), "{line}");
    assert!(!trace.exists(), "no engine was started");
    for empty in ["run", "handoff", "logs"] {
        assert_eq!(fs::read_dir(folder.state().join(empty)).unwrap().count(), 0, "{empty}");
    }
}

#[test]
fn a_token_file_that_others_can_read_is_refused_without_its_token() {
    let folder = Folder::new();
    let token = folder.0.path().join("token");
    fs::write(&token, "0123456789abcdef-secret").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let line = folder.refused(&format!("{TOP}admin_token_file = {token:?}\n{POOL}"));
    assert!(line.contains(":4: control.admin_token_file: "), "{line}");
    assert!(!line.contains("secret") && !folder.state().exists(), "{line}");
}

#[test]
fn a_second_daemon_on_one_state_directory_names_the_first() {
    let first = Daemon::start(|ports| stub::pool("a", ports.next_port(), &[], ""));
    let before = first.until_ready("a", PATIENCE).engine.unwrap();
    let folder = Folder::new();
    let config = format!("{TOP}{POOL}").replace("${STATE}", &first.state().display().to_string());
    let line = folder.refused(&config);
    assert!(line.contains(": state_dir: "), "{line}");
    assert!(line.contains(&format!("is locked by process {} (", first.pid())), "{line}");
    assert!(line.contains("stop that daemon first or use another state directory"), "{line}");
    let after = first.pool("a");
    assert_eq!(after.engine.unwrap().pid, before.pid, "the first one's engine was left alone");
    first.stop();
}

#[test]
fn usage_errors_end_with_2_and_help_names_the_exit_statuses() {
    for arguments in [&["rnu"][..], &["run"], &["run", "--demo", "--config", "x"], &["check"], &[]] {
        let output = daemon(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    let stderr = String::from_utf8(daemon(&["chek"]).stderr).unwrap();
    assert!(stderr.contains("'check'"), "the nearest word is named: {stderr}");
    let help = daemon(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Exit status: 0 all engines stopped; 1 could not start"), "{help}");
    let filter = refusal(&daemon(&["run", "--demo", "--log", "a=b=c"]));
    assert!(filter.contains("a=b=c") && filter.contains("info"), "{filter}");
}

#[test]
fn the_reference_is_right_but_for_programs_and_files_that_are_not_here() {
    let folder = Folder::new();
    let reference = daemon(&["config-reference"]);
    assert_eq!(reference.status.code(), Some(0));
    fs::write(folder.config(), &reference.stdout).unwrap();
    let output = daemon(&["check", "--config", &folder.config().display().to_string()]);
    let said = String::from_utf8(output.stderr).unwrap();
    let missing = |line: &&str| line.contains("is not in PATH") || line.contains("does not exist");
    let other: Vec<&str> =
        said.lines().filter(|line| !missing(line) && !line.contains("is not there")).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn bad_requests_are_told_which_field_and_change_nothing() {
    let daemon = Daemon::start(|ports| stub::pool("chat", ports.next_port(), &[], ""));
    daemon.until_ready("chat", PATIENCE);
    let problem = |path: &str, body: &str| -> (u16, Problem) {
        let (status, answer) = daemon.post(path, body);
        (status, serde_json::from_value(answer).unwrap())
    };

    let (status, unknown) = problem("/v1/pools/chta/drain", "");
    assert_eq!((status, unknown.members.get("nearest")), (404, Some(&Value::from("chat"))), "{unknown:?}");
    assert!(unknown.detail.contains("did you mean `chat`?"), "{unknown:?}");

    let (status, malformed) = problem("/v1/pools/chat/drain", r#"{"deadline": "#);
    assert_eq!(status, 400, "{malformed:?}");
    assert!(malformed.detail.contains("not JSON"), "{malformed:?}");

    for deadline in ["-1", "\"-1s\"", "1e300", "\"9999999 years\"", "\"soon\"", "[]", "true", "{}"] {
        let (status, refused) = problem("/v1/pools/chat/drain", &format!("{{\"deadline\": {deadline}}}"));
        let field = refused.members.get("field");
        assert_eq!((status, field), (400, Some(&Value::from("deadline"))), "{deadline}: {refused:?}");
        assert!(refused.detail.contains("`deadline`"), "{refused:?}");
    }

    let (status, typo) = problem("/v1/pools/chat/drain", r#"{"dedline": "1s"}"#);
    assert_eq!(status, 400, "{typo:?}");
    assert!(typo.detail.contains("deadline"), "{typo:?}");

    let huge = format!("{{\"holder\": \"{}\"}}", "x".repeat(200 << 10));
    let (status, too_large) = problem("/v1/pools/chat/leases", &huge);
    assert_eq!(status, 413, "{too_large:?}");

    let pool = daemon.pool("chat");
    assert!(pool.ready && !pool.draining && pool.leases.granted == 0, "nothing came of it: {pool:?}");
    assert!(pool.operation.is_none() && pool.last_operation.is_none(), "{pool:?}");
    daemon.stop();
}
