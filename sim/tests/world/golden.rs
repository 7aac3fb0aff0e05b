//! The same seed is the same run in every process, whatever its environment, and in every build: the hashes of
//! some runs are in `golden.txt`, those of some seeds with all that may strike them in `golden_drawn.txt`.
//!
//! A change of behaviour moves them: look whether it was meant, then `GOLDEN=write cargo test -p
//! pool-manager-sim --test world golden`. A change that claims to move nothing must not.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use pool_manager_sim::World;
use pool_manager_sim::plan::{Run, Swarm};

use crate::mission;

const SEEDS: u64 = 20;

/// One line a seed: the seed, the hash of everything that happened, and in how many steps.
fn hashes() -> String {
    let mut lines = String::new();
    for seed in 0..SEEDS {
        let (world, _) = mission::lives(seed, restart);
        let trace = world.trace();
        writeln!(lines, "{seed} {:016x} {}", trace.hash(), trace.steps()).expect("a string takes any text");
    }
    lines
}

fn restart(world: &mut World, turn: u64) {
    if turn % 3 == 2 { world.start_other_version() } else { world.start_supervisor() }
}

/// The same of seeds whose host and weather are drawn.
fn hashes_drawn() -> String {
    let mut lines = String::new();
    for seed in 0..SEEDS {
        let line = match Run::draw(seed, &Swarm::default()).to_end() {
            Ok(report) => format!("{seed} {:016x} {}", report.hash, report.steps),
            // That nothing is broken is for sweeps to demand; here it must only be the same.
            Err(failure) => format!("{seed} {} {}", failure.invariant, failure.step),
        };
        writeln!(lines, "{line}").expect("a string takes any text");
    }
    lines
}

#[test]
fn runs_are_what_they_were() {
    are_as_in("golden.txt", &hashes());
}

#[test]
fn drawn_runs_are_what_they_were() {
    are_as_in("golden_drawn.txt", &hashes_drawn());
}

fn are_as_in(file: &str, today: &str) {
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "world", file].iter().collect();
    if std::env::var("GOLDEN").is_ok_and(|word| word == "write") {
        std::fs::write(&file, today).expect("the source tree can be written");
    }
    let known = std::fs::read_to_string(file).expect("the file is there");
    for (known, today) in known.lines().zip(today.lines()) {
        assert_eq!(known, today, "seed, hash, steps: was this change of behaviour meant?");
    }
    assert_eq!(known.lines().count(), today.lines().count());
}

#[test]
fn another_process_with_another_environment_sees_the_same_runs() {
    let this_test = std::env::current_exe().expect("a test has a program");
    let child = Command::new(this_test)
        .args(["--exact", "golden::runs_are_what_they_were"])
        .env_clear()
        .envs([("ZZZ", "noise"), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("TZ", "Asia/Kathmandu")])
        .current_dir(std::env::temp_dir())
        .output()
        .expect("a test can be run again");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("1 passed"), "it really ran: {said}");
}
