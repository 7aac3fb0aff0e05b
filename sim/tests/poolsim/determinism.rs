//! One seed, one run: in another process, another environment, another folder, with another number of threads; and
//! a difference is found, and named by its first draw.

use std::process::Command;

use pool_manager_sim::plan::{Run, Swarm};

use crate::{folder, poolsim, said};

/// All that may strike; a broken invariant is a line like any other, and the same everywhere.
const HASHES: [&str; 6] = ["sweep", "--hashes", "--keep-going", "--seeds", "0..12", "--jobs"];

#[test]
fn nothing_around_a_run_changes_it() {
    let folder = folder();
    let here = poolsim(folder.path(), &[&HASHES[..], &["1"]].concat());
    assert_eq!(here.out.lines().count(), 12);
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_poolsim"))
        .args(HASHES)
        .arg("5")
        .env_clear()
        .envs([("ZZZ", "noise"), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("TZ", "Asia/Kathmandu")])
        .args(["--plans", folder.path().to_str().expect("a plain path")])
        .current_dir("/")
        .output()
        .expect("the program is built");
    assert_eq!(said(elsewhere).out, here.out);
    let in_process = (0..12).map(|seed| match Run::draw(seed, &Swarm::default()).to_end() {
        Ok(report) => format!("{seed} {:016x}\n", report.hash),
        Err(failure) => format!("{seed} {} at step {}\n", failure.invariant, failure.step),
    });
    assert_eq!(in_process.collect::<String>(), here.out);
}

#[test]
fn every_draw_is_compared_and_the_first_difference_is_named() {
    let folder = folder();
    let arguments = ["sweep", "--seeds", "0..4", "--for", "30s", "--check-determinism"];
    let fine = poolsim(folder.path(), &arguments);
    assert_eq!(fine.code, Some(0), "{}", fine.out);
    let canary = poolsim(folder.path(), &[&arguments[..], &["--canary", "determinism"]].concat());
    assert_eq!(canary.code, Some(4), "{}", canary.out);
    let line = canary.out.lines().next().unwrap_or_default();
    assert!(line.starts_with("not deterministic: seed 0, after "), "{line}");
    assert!(line.contains("the first run drew below = ") && line.contains(" for Setup at 0.000s"), "{line}");
}
