//! `poolsim sweep`: what it counts, what it refuses, and what it says of a failure. The failure is planted, the
//! rest of the way is real.

use std::fs;

use crate::{folder, poolsim};

/// Little may happen, and nothing of it is broken: what is tested here is the program.
const TWO_FAULTS: [&str; 4] = ["--only", "engine-crash,operator-drain", "--set", "profile=llama-server"];

#[test]
fn figures_for_a_program_are_one_object() {
    let folder = folder();
    let arguments = [&["sweep", "--seeds", "0..6", "--for", "1m", "--json"], &TWO_FAULTS[..]].concat();
    let said = poolsim(folder.path(), &arguments);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let json = said.json();
    assert_eq!(json["seeds"], 6);
    assert_eq!(json["violations"], serde_json::json!([]));
    assert_eq!(json["not_deterministic"], serde_json::json!([]));
    for number in ["steps", "simulated_seconds", "steps_per_second", "seeds_per_second", "processor_seconds"]
    {
        assert!(json[number].as_f64().is_some_and(|number| number > 0.0), "{number}: {json}");
    }
    let marks = |which: &str| json[which].as_array().map_or(0, Vec::len);
    assert!(marks("marks_fired") > 10 && marks("marks_unfired") > 10, "{json}");
    assert!(json["faults"]["engine-crash"].is_u64(), "{json}");
    assert!(json["simulated_seconds"].as_u64().is_some_and(|seconds| seconds >= 360), "{json}");
    assert_eq!(
        fs::read_dir(folder.path()).expect("a folder").count(),
        0,
        "nothing failed, nothing is written"
    );
}

#[test]
fn what_is_said_does_not_depend_on_the_number_of_jobs() {
    let folder = folder();
    let without_speed = |jobs| {
        let said =
            poolsim(folder.path(), &["sweep", "--seeds", "0..8", "--for", "30s", "--jobs", jobs, "--json"]);
        let mut json = said.json();
        let object = json.as_object_mut().expect("an object");
        for speed in ["steps_per_second", "seeds_per_second", "wall_seconds", "processor_seconds", "jobs"] {
            assert!(object.remove(speed).is_some(), "{speed}");
        }
        json
    };
    let one = without_speed("1");
    assert!(one["steps"].as_u64().is_some_and(|steps| steps > 100), "{one}");
    assert_eq!(one, without_speed("3"));
}

#[test]
fn bad_input_is_refused_with_a_hint() {
    let folder = folder();
    let refused = |arguments: &[&str], hint: &str| {
        let said = poolsim(folder.path(), &[&["sweep"], arguments].concat());
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(said.err.contains(hint), "{arguments:?}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{}", said.err);
    };
    refused(&["--seeds", "9..3"], "\"9..3\" has no seeds");
    refused(&["--set", "pools"], "--set pools: write it like --set pools=8");
    refused(&["--set", "pools=0"], "write a number from 1 to 26");
    refused(&["--set", "slots=0"], "setup.pool[0].slots: 0: a pool has 1 to 100000");
    refused(&["--set", "slotz=1"], "did you mean slots?");
    refused(&["--only", "engine-crush"], "did you mean engine-crash?");
    refused(&["--only", "engine-crash", "--without", "engine-crash"], "leave it out of one of them");
    refused(&["--for", "never"], "write it like 90s, 10m or 24h");
    refused(&["--for", "9000d"], "the longest span is 366 days");
    refused(&["--jobs", "0"], "0 is not in 1..=1024");
}

#[test]
fn a_failure_is_shrunk_written_and_replayed_with_the_printed_command() {
    for (canary, invariant, code) in [("safety", "X99", 2), ("liveness", "L99", 3)] {
        let folder = folder();
        let arguments = [&["sweep", "--seeds", "0..20", "--canary", canary], &TWO_FAULTS[..]].concat();
        let said = poolsim(folder.path(), &arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(code), ""), "{}", said.out);
        let head = format!("broken: {invariant}: no pool is drained that has seen an engine die (pool ");
        assert!(said.out.starts_with(&head), "{}", said.out);
        for part in
            ["\n  seed     ", "\n  version  ", "The last steps", "-> Command", "The smallest plan, 2 strikes"]
        {
            assert!(said.out.contains(part), "{part}: {}", said.out);
        }
        let mut command = said.out.lines().filter_map(|line| line.trim().strip_prefix("poolsim "));
        let command: Vec<&str> = command.next().expect("a command to replay").split(' ').collect();
        assert!(command[1].starts_with("poolsim-failures/seed-"), "{command:?}");
        let plan = fs::read_to_string(folder.path().join(command[1])).expect("the plan was written");
        assert!(plan.starts_with(&format!("# {invariant}: ")), "{plan}");
        assert_eq!(plan.matches("[[strike]]").count(), 2, "{plan}");
        let again = poolsim(folder.path(), &command);
        assert_eq!(again.code, Some(code), "{}", again.out);
        assert!(again.out.contains("strike  operator-drain "), "{}", again.out);
        assert!(again.out.contains(&head), "{}", again.out);
        // Without what was planted nothing is broken.
        assert_eq!(poolsim(folder.path(), &command[..2]).code, Some(0));
    }
}

#[test]
fn a_failure_for_a_program_has_everything_a_person_is_told() {
    let folder = folder();
    let arguments =
        [&["sweep", "--seeds", "0..20", "--canary", "safety", "--json"], &TWO_FAULTS[..]].concat();
    let json = poolsim(folder.path(), &arguments).json();
    let violation = &json["violations"][0];
    assert_eq!(violation["invariant"], "X99", "{json}");
    assert_eq!(violation["reproduced"], true);
    assert!(
        violation["seed"].is_u64() && violation["step"].is_u64() && violation["at_seconds"].is_f64(),
        "{json}"
    );
    assert!(violation["plan"].as_str().is_some_and(|plan| plan.contains("[[strike]]")), "{json}");
    assert!(violation["plan_file"].as_str().is_some_and(|file| folder.path().join(file).is_file()), "{json}");
    assert!(violation["last_steps"].as_array().is_some_and(|steps| !steps.is_empty() && steps.len() <= 40));
    assert_eq!(json["violations"].as_array().map(Vec::len), Some(1), "the first failure ends the sweep");
    let arguments = [&arguments[..], &["--keep-going"]].concat();
    let all = poolsim(folder.path(), &arguments).json();
    assert_eq!(all["seeds"], 20);
    assert!(all["violations"].as_array().is_some_and(|all| all.len() > 1), "{all}");
}

#[test]
fn a_coverage_mark_that_never_fired_is_named_where_it_is_demanded() {
    let folder = folder();
    let few = [&["sweep", "--seeds", "0..2", "--for", "10s"], &TWO_FAULTS[..]].concat();
    let said = poolsim(folder.path(), &few);
    assert_eq!(said.code, Some(0), "two seeds owe nobody every mark: {}", said.out);
    let said = poolsim(folder.path(), &[&few[..], &["--demand-marks", "yes"]].concat());
    assert_eq!(said.code, Some(5), "{}", said.out);
    let never = said.out.lines().find_map(|line| line.strip_prefix("never: ")).expect("they are named");
    let all = poolsim(folder.path(), &["marks"]).out;
    for mark in never.split(", ") {
        assert!(all.lines().any(|known| known == mark), "{mark}");
    }
}
