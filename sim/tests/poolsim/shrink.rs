//! `poolsim shrink`, of a plan and of a seed.

use std::fs;

use crate::{folder, poolsim};

const SEED: [&str; 6] = ["shrink", "--seed", "0", "--only", "engine-crash,operator-drain", "--canary"];

#[test]
fn a_seed_is_shrunk_and_what_is_written_shrinks_no_further() {
    let folder = folder();
    let seed = (0..20)
        .map(|seed: u32| seed.to_string())
        .find(|seed| {
            let arguments =
                ["shrink", "--seed", seed, SEED[3], SEED[4], "--canary", "safety", "--out", "small.toml"];
            poolsim(folder.path(), &arguments).code == Some(2)
        })
        .expect("one of twenty seeds makes the canary sing");
    let small = fs::read_to_string(folder.path().join("small.toml")).expect("it was written");
    assert_eq!(small.matches("[[strike]]").count(), 2, "seed {seed}: {small}");
    let again = poolsim(folder.path(), &["shrink", "small.toml", "--canary", "safety", "--json"]);
    assert_eq!(again.code, Some(2), "{}", again.err);
    assert_eq!(again.json()["strikes_before"], 2);
    let smaller = fs::read_to_string(folder.path().join("small.min.toml")).expect("it was written");
    assert_eq!(smaller, small);
}

#[test]
fn what_is_not_broken_is_not_shrunk() {
    let folder = folder();
    let said = poolsim(folder.path(), &["shrink", "--seed", "1", "--for", "10s"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "nothing is broken: there is nothing to shrink\n"));
    let said = poolsim(folder.path(), &["shrink"]);
    assert_eq!(said.code, Some(1), "a plan or a seed must be named");
    assert!(said.err.contains("required"), "{}", said.err);
}
