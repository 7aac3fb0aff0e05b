//! The table of behaviours in `README.md`: every scenario, where it is, and whether it passes. Fails when the
//! table is stale; with `FEATURES_TABLE=write` it is written instead.
//!
//! Also holds the list of the mission itself: each id exactly once, as a scenario of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cucumber::cli;
use cucumber::gherkin::{Feature, GherkinEnv};
use pool_manager_features::{Arguments, Report, ScenarioResult, Show, SimBackend, run, scenarios};

/// What the mission consists of.
const MISSION: [(&str, usize); 6] =
    [("DRAIN", 10), ("RELOAD", 14), ("CRASH", 9), ("BACKOFF", 9), ("BREAKER", 11), ("STORM", 10)];
/// The areas around it are about as many again.
const LEAST_AREA: usize = 60;

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->\n";

#[test]
fn the_mission_is_complete_and_the_table_is_up_to_date() {
    let report = run_all();
    check_mission(&report.scenarios);
    check_area(&report.scenarios);
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&readme).expect("features/README.md can be read");
    let fresh = with_table(&text, &table(&report.scenarios));
    if std::env::var("FEATURES_TABLE").is_ok_and(|mode| mode == "write") {
        return std::fs::write(&readme, fresh).expect("features/README.md can be written");
    }
    assert!(text == fresh, "features/README.md is stale: run this test with FEATURES_TABLE=write");
}

#[test]
fn every_scenario_is_one_scenario() {
    for path in feature_files(&scenarios()) {
        let feature = Feature::parse_path(&path, GherkinEnv::default()).expect("a feature file can be read");
        assert!(feature.rules.is_empty(), "{}: rules are not looked into here", path.display());
        for scenario in &feature.scenarios {
            let name = &scenario.name;
            assert!(scenario.examples.is_empty(), "{}: {name:?} is an outline", path.display());
        }
    }
}

/// Two runs of the same code are the same, to the last line.
#[test]
fn a_run_can_be_repeated() {
    let [first, again] = [run_all(), run_all()];
    assert_eq!(first.scenarios, again.scenarios);
    assert!(first.scenarios.iter().all(|scenario| scenario.hash.is_some()), "simulated runs have hashes");
}

fn run_all() -> Report {
    // As without any argument: those of the test harness are not cucumber's.
    let arguments: Arguments = cli::Opts::default();
    run(&scenarios(), &arguments, 42..43, |seed| Box::new(SimBackend::new(seed)), Show::Nothing)
}

fn check_mission(found: &[ScenarioResult]) {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for scenario in found.iter().filter(|scenario| is_tagged(scenario, "mission")) {
        let ids: Vec<&str> = scenario.tags.iter().map(String::as_str).filter(|tag| is_id(tag)).collect();
        let [id] = ids.as_slice() else {
            panic!("{scenario}: a scenario of the mission has one id, not {ids:?}");
        };
        assert!(scenario.passed, "{scenario}: {id} does not pass");
        *places.entry(id).or_default() += 1;
    }
    for (family, count) in MISSION {
        for number in 1..=count {
            let id = format!("{family}-{number}");
            assert_eq!(places.remove(id.as_str()), Some(1), "{id} is exactly one scenario");
        }
    }
    assert!(places.is_empty(), "ids that the mission does not have: {places:?}");
}

fn check_area(found: &[ScenarioResult]) {
    let area = found.iter().filter(|scenario| is_tagged(scenario, "area"));
    assert!(area.clone().all(|scenario| !is_tagged(scenario, "mission")), "area or mission, not both");
    let count = area.count();
    assert!(count >= LEAST_AREA, "{count} scenarios of the areas, not {LEAST_AREA}");
}

fn is_tagged(scenario: &ScenarioResult, tag: &str) -> bool {
    scenario.tags.iter().any(|known| known == tag)
}

fn is_id(tag: &str) -> bool {
    tag.rsplit_once('-').is_some_and(|(family, number)| {
        MISSION.iter().any(|(known, _)| *known == family) && number.parse::<usize>().is_ok()
    })
}

fn table(found: &[ScenarioResult]) -> String {
    let mut rows: Vec<(usize, usize, &ScenarioResult)> = found.iter().map(ranked).collect();
    rows.sort_by_key(|(family, number, scenario)| (*family, *number, scenario.place.clone()));
    let mut table = "| id | behaviour | scenario | on sim | on real |\n|---|---|---|---|---|\n".to_owned();
    for (_, _, scenario) in rows {
        let id = scenario.tags.iter().find(|tag| is_id(tag)).map_or("area", String::as_str);
        let (file, line) = &scenario.place;
        let sim = if scenario.passed { "passes" } else { "FAILS" };
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {id} | {} | {file}:{line} | {sim} | not yet |", scenario.name);
    }
    table
}

/// The mission in its own order, then the areas.
fn ranked(scenario: &ScenarioResult) -> (usize, usize, &ScenarioResult) {
    let id = scenario.tags.iter().find(|tag| is_id(tag)).and_then(|tag| tag.rsplit_once('-'));
    let rank = id.and_then(|(family, number)| {
        let family = MISSION.iter().position(|(known, _)| *known == family)?;
        Some((family, number.parse().ok()?))
    });
    let (family, number) = rank.unwrap_or((MISSION.len(), 0));
    (family, number, scenario)
}

fn with_table(text: &str, table: &str) -> String {
    let (before, rest) = text.split_once(BEGIN).expect("the README has a place for the table");
    let (_, after) = rest.split_once(END).expect("the README's place for the table has an end");
    format!("{before}{BEGIN}{table}{END}{after}")
}

fn feature_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of scenarios can be read");
    let paths = entries.map(|entry| entry.expect("its entries can be read").path());
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(feature_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "feature") {
            files.push(path);
        }
    }
    files
}
