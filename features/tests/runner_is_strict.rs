//! The runner must fail whatever is not a proof: each case below runs it as a process of its own, over
//! feature files written for the case, and looks at the exit code and at the reason given.
//!
//! Without a harness, because the process runs itself: with [`CHILD`] set it is the runner under test.

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use pool_manager_features::SimBackend;

const CHILD: &str = "POOL_MANAGER_FEATURES_CHILD";

const READY: &str = "Given the pool \"test-pool\" is ready";
const TRUE: &str = "Then the registry snapshot says that \"test-pool\" is live and ready";
const FALSE: &str = "Then the registry snapshot says that \"test-pool\" is neither live nor ready";

struct Case {
    what: &'static str,
    /// The steps of one scenario; empty: no feature file at all.
    steps: &'static [&'static str],
    arguments: &'static [&'static str],
    /// Must show in the output.
    says: &'static str,
    passes: bool,
}

const CASES: [Case; 8] = [
    Case {
        what: "a true scenario passes",
        steps: &[READY, TRUE],
        arguments: &["--tags", "@case"],
        says: "1 scenarios passed",
        passes: true,
    },
    Case {
        what: "a false scenario fails",
        steps: &[READY, FALSE],
        arguments: &[],
        says: "FAILED: 1 scenarios failed",
        passes: false,
    },
    Case {
        what: "an undefined step fails",
        steps: &[READY, TRUE, "And the moon is full"],
        arguments: &[],
        says: "FAILED: 1 scenarios failed",
        passes: false,
    },
    Case {
        what: "an undefined first step fails",
        steps: &["Given the moon is full", TRUE],
        arguments: &[],
        says: "FAILED: 1 scenarios failed",
        passes: false,
    },
    Case {
        what: "a scenario without a Then fails",
        steps: &[READY],
        arguments: &[],
        says: "asserts nothing",
        passes: false,
    },
    Case {
        what: "a scenario without steps fails",
        steps: &[""],
        arguments: &[],
        says: "FAILED",
        passes: false,
    },
    Case {
        what: "a tag that fits nothing fails",
        steps: &[READY, TRUE],
        arguments: &["--tags", "@no-such-tag"],
        says: "FAILED: no scenario was run",
        passes: false,
    },
    Case {
        what: "a folder without features fails",
        steps: &[],
        arguments: &[],
        says: "FAILED: no scenario was run",
        passes: false,
    },
];

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return pool_manager_features::main(|seed| Box::new(SimBackend::new(seed)));
    }
    for case in &CASES {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        if !case.steps.is_empty() {
            let text = format!("Feature: f\n\n  @case\n  Scenario: s\n    {}\n", case.steps.join("\n    "));
            std::fs::write(folder.path().join("case.feature"), text).expect("it can be written to");
        }
        check(case.what, &run(folder.path(), case.arguments, &[]), case.passes, case.says);
    }
    check_broken_syntax();
    check_paths();
    println!("runner_is_strict: all cases ok");
    ExitCode::SUCCESS
}

fn check_broken_syntax() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("bad.feature"), "Scenario before any Feature\n")
        .expect("it can be written");
    let output = run(folder.path(), &[], &[]);
    check(
        "a feature file that cannot be read fails",
        &output,
        false,
        "FAILED: 1 feature files could not be read",
    );
}

/// The variables that limit a run to a file or a folder.
fn check_paths() {
    let output = run(Path::new("/no/such/folder"), &[], &[]);
    check("a path that is not there fails", &output, false, "BDD_FEATURE_PATH=/no/such/folder is not there");
    let from_workspace = Path::new("features/scenarios/lifecycle/drain.feature");
    let output = run(from_workspace, &["--tags", "@DRAIN-1"], &[]);
    check("a path relative to the workspace is found", &output, true, "1 scenarios passed");
    let older = [("LLORCH_BDD_FEATURE_PATH", "/no/such/file.feature")];
    let output = run(Path::new(""), &[], &older);
    check("the older variable counts", &output, false, "LLORCH_BDD_FEATURE_PATH=/no/such/file.feature");
    let output = run(from_workspace, &["--tags", "@DRAIN-1"], &older);
    check("the newer variable wins", &output, true, "1 scenarios passed");
}

fn run(features: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let me = std::env::current_exe().expect("a running program has a path");
    let mut child = Command::new(me);
    child.args(arguments).env(CHILD, "1").env_remove("CUCUMBER_FILTER_TAGS");
    child.env_remove("LLORCH_BDD_FEATURE_PATH").env("BDD_FEATURE_PATH", features);
    child.envs(variables.iter().copied()).output().expect("it can be run again")
}

fn check(what: &str, output: &Output, passes: bool, says: &str) {
    let said = [&*output.stdout, &*output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.success(), passes, "{what}: {:?}\n{said}", output.status);
    assert!(said.contains(says), "{what}: it does not say {says:?}\n{said}");
    println!("test {what} ... ok");
}
