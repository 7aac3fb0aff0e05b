//! `poolsim replay` of plans: what it tells, and how it refuses what nobody can run.

use std::fs;
use std::path::PathBuf;

use pool_manager_sim::plan::{Plan, Run, Setup, Swarm};

use crate::{folder, poolsim};

/// A drawn plan in which an engine crashes and nothing is broken.
fn plan() -> String {
    let swarm = Swarm { only: vec!["engine-crash", "operator-drain"], ..Swarm::default() };
    let drawn = (0..50).find_map(|seed| {
        let mut run = Run::draw(seed, &swarm);
        run.to_end().ok()?;
        let text = run.into_plan().to_string();
        (text.contains("slots = ") && text.contains("engine-crash")).then_some(text)
    });
    drawn.expect("one of fifty seeds is such a one")
}

#[test]
fn a_plan_is_run_to_the_same_end_as_its_seed() {
    let folder = folder();
    fs::write(folder.path().join("plan.toml"), plan()).expect("written");
    let json = poolsim(folder.path(), &["replay", "plan.toml", "--json"]).json();
    let mut run = Run::of(Plan::parse(&plan()).expect("a plan"));
    let report = run.to_end().expect("nothing is broken");
    assert_eq!(json["hash"], format!("{:016x}", report.hash));
    assert_eq!((&json["broken"], json["steps"].as_u64()), (&serde_json::Value::Null, Some(report.steps)));
    let story = poolsim(folder.path(), &["replay", "plan.toml", "--trace"]);
    assert_eq!(story.code, Some(0));
    assert!(story.out.contains("strike  engine-crash "), "{}", story.out);
    assert!(story.out.contains("nothing is broken: "), "{}", story.out);
}

#[test]
fn what_nobody_can_run_is_refused_with_file_line_and_key() {
    let folder = folder();
    let refused = |text: String, said: &str| {
        fs::write(folder.path().join("p.toml"), text).expect("written");
        let got = poolsim(folder.path(), &["replay", "p.toml"]);
        assert_eq!((got.code, got.out.as_str()), (Some(1), ""), "{}", got.err);
        assert_eq!(got.err.lines().count(), 1, "{}", got.err);
        assert!(got.err.starts_with("poolsim: p.toml:") && got.err.contains(said), "{said}: {}", got.err);
    };
    let good = plan();
    refused("nonsense".to_owned(), "p.toml:1:");
    refused(String::new(), "format: missing: begin the plan with format = 1");
    refused(
        good.replace("format = 1", "format = 2"),
        "p.toml:1:1: format: 2: a later version wrote this plan",
    );
    refused(good.replacen("slots = ", "slots = 0 # ", 1), "].slots: 0: a pool has 1 to 100000");
    refused(good.replacen("slots = ", "slots = -", 1), "p.toml:");
    refused(
        good.replace("fault = \"engine-crash\"", "fault = \"earthquake\""),
        "no family is called \"earthquake\"",
    );
    refused(good.replace("pool = \"", "pool = \"z\" # "), "the plan has no such pool");
    refused(good.replacen("lasts = ", "lasts = \"0s\" # ", 1), "setup.lasts: nothing can happen in no time");
    let mut crowd = Plan::calm(Setup::plain(1));
    crowd.setup.pools = vec![crowd.setup.pools[0].clone(); 27];
    refused(crowd.to_string(), "setup.pool: 27 pools: a plan has 1 to 26");
}

#[test]
fn a_file_that_is_no_plan_is_refused() {
    let folder = folder();
    let got = poolsim(folder.path(), &["replay", "nowhere.toml"]);
    assert_eq!(got.code, Some(1));
    assert!(got.err.starts_with("poolsim: nowhere.toml: cannot be read: "), "{}", got.err);
    fs::write(folder.path().join("picture.png"), [0x89, 0x50, 0xff, 0xfe]).expect("written");
    let got = poolsim(folder.path(), &["replay", "picture.png"]);
    assert_eq!(got.code, Some(1));
    assert!(got.err.contains("neither a plan (TOML) nor a journal"), "{}", got.err);
    let folder_as_file = poolsim(PathBuf::from("/").as_path(), &["replay", "tmp"]);
    assert_eq!(folder_as_file.code, Some(1), "{}", folder_as_file.err);
}
