//! Says which commit `poolsim` is of, as it prints it beside every failure: `POOLSIM_COMMIT` where the builder
//! knows it, otherwise what git says, otherwise that nobody does. Looks again after every commit and checkout.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=POOLSIM_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    let told = std::env::var("POOLSIM_COMMIT").ok();
    let commit = told.or_else(|| git(&["describe", "--always", "--tags", "--abbrev=12"]));
    println!("cargo:rustc-env=POOLSIM_COMMIT={}", commit.as_deref().unwrap_or("commit not known"));
}

fn git(arguments: &[&str]) -> Option<String> {
    let said = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}
