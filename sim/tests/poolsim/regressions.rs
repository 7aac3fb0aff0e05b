//! Every bug that a sweep found stays found: its smallest plan is in `sim/regressions/`, and breaks nothing today.

use std::fs;
use std::path::PathBuf;

use pool_manager_sim::plan::{Plan, Run};

fn plans() -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let files = fs::read_dir(folder).expect("the folder is there");
    let files = files.map(|entry| entry.expect("it can be listed").path());
    let mut plans: Vec<(PathBuf, String)> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.clone(), fs::read_to_string(path).expect("a plan is text")))
        .collect();
    plans.sort();
    plans
}

#[test]
fn every_bug_that_was_found_stays_found() {
    let plans = plans();
    assert!(!plans.is_empty(), "the folder has plans");
    for (path, text) in plans {
        let name = path.display();
        assert!(text.starts_with("# "), "{name}: the first line says which bug it found");
        let plan = Plan::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!plan.strikes.is_empty(), "{name}: something strikes");
        if let Err(failure) = Run::of(plan).to_end() {
            panic!("{name}: it is back: {failure}");
        }
    }
}
