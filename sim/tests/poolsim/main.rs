//! The program `poolsim` as a person or a script meets it: exit codes, messages, JSON; and the regressions.

mod determinism;
mod journal;
mod regressions;
mod replay;
mod shrink;
mod sweep;

use std::path::Path;
use std::process::{Command, Output};

/// What the program said and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it in a folder of its own.
fn poolsim(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poolsim"));
    said(command.args(arguments).current_dir(folder).output().expect("the program is built"))
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Said {
    /// The one JSON object it printed.
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

#[test]
fn help_teaches_and_a_mistake_says_what_to_do() {
    let folder = folder();
    let help = poolsim(folder.path(), &["--help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for word in ["Examples:", "poolsim sweep", "poolsim replay", "Exit codes:", "4  not deterministic"] {
        assert!(help.out.contains(word), "{word}: {}", help.out);
    }
    let mistake = poolsim(folder.path(), &["swep"]);
    assert_eq!((mistake.code, mistake.out.as_str()), (Some(1), ""));
    assert!(mistake.err.contains("similar subcommand exists: 'sweep'"), "{}", mistake.err);
}

#[test]
fn the_catalogue_is_a_table_or_json() {
    let folder = folder();
    let table = poolsim(folder.path(), &["families"]);
    assert_eq!(table.code, Some(0));
    assert!(
        table.out.contains("engine-crash") && table.out.contains("an engine dies by itself"),
        "{}",
        table.out
    );
    let json = poolsim(folder.path(), &["families", "--json"]).json();
    let names: Vec<_> =
        json.as_array().into_iter().flatten().filter_map(|family| family["name"].as_str()).collect();
    assert!(names.contains(&"engine-crash") && names.len() >= 2, "{names:?}");
}

#[test]
fn the_version_says_the_commit() {
    let said = poolsim(folder().path(), &["--version"]).out;
    let commit = said.trim().strip_prefix(concat!("poolsim ", env!("CARGO_PKG_VERSION"), " ("));
    assert!(commit.is_some_and(|commit| commit.len() > 7 && commit.ends_with(')')), "{said}");
}
