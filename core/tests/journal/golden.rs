//! Files of earlier versions. `facts-1.bin` is never written again: it must be readable for ever. The others are of
//! one logic version each: when a test here fails, raise `journal::LOGIC_VERSION` and write new ones beside the
//! old with `GOLDEN=write cargo test -p pool-manager-core --test journal` (before a version is released, its
//! files may be written again without raising it).

use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use pool_manager_core::Input;
use pool_manager_core::journal::{Fault, Header, LOGIC_VERSION, Writer, fold, replay};

use crate::samples::{facts, header, update};
use crate::{read, replaying, segment};

/// A golden file, and what today's code makes of the same. Where that is asked for, all are written first.
fn golden(name: &str) -> (Vec<u8>, Vec<u8>) {
    static WRITTEN: Once = Once::new();
    let today = [
        ("facts-1.bin".to_owned(), facts_segment()),
        (format!("inputs-{LOGIC_VERSION}.bin"), segment(false)),
        (format!("state-{LOGIC_VERSION}.bin"), state_segment()),
    ];
    WRITTEN.call_once(|| {
        if std::env::var("GOLDEN").is_ok_and(|word| word == "write") {
            fs::create_dir_all(folder()).unwrap();
            for (name, bytes) in &today {
                let path = folder().join(name);
                let for_ever = name.starts_with("facts") && path.exists();
                if !for_ever {
                    fs::write(&path, bytes).unwrap();
                }
            }
        }
    });
    let (name, today) = today.into_iter().find(|(file, _)| file.starts_with(name)).unwrap();
    let path = folder().join(name);
    let bytes = fs::read(&path);
    (bytes.unwrap_or_else(|error| panic!("{}: {error}; GOLDEN=write makes it", path.display())), today)
}

fn facts_segment() -> Vec<u8> {
    let mut writer = Writer::begin(&header());
    writer.facts(&facts());
    writer.facts_update(&update());
    writer.take()
}

fn state_segment() -> Vec<u8> {
    let mut driver = replaying::ready();
    driver.end();
    driver.writer.state(&driver.host, driver.effects);
    driver.feed(Input::Stalled);
    driver.run_for_seconds(30);
    driver.writer.mark(driver.effects);
    driver.writer.take()
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden"].iter().collect()
}

/// The facts of a segment after all its records.
fn folded_sample() -> pool_manager_core::journal::Facts {
    let mut facts = facts();
    facts.apply(update());
    facts
}

/// What version 1 wrote at its first: fields that came since have their defaults.
fn oldest_sample() -> pool_manager_core::journal::Facts {
    let mut facts = folded_sample();
    for pool in &mut facts.pools {
        (pool.operation, pool.candidate) = (None, None);
    }
    facts
}

#[test]
fn facts_of_version_1_are_readable_for_ever() {
    let folded = fold(&golden("facts").0).unwrap();
    assert_eq!(folded.header, Header { logic_version: 1, ..header() });
    assert_eq!(folded.facts, oldest_sample(), "a field lost its name or its meaning");
    assert_eq!(folded.cut_short, None);
}

#[test]
fn every_input_reads_as_this_logic_version_wrote_it() {
    let (bytes, today) = golden("inputs");
    for (read, today) in read(&bytes).expect("raise LOGIC_VERSION").iter().zip(&read(&today).unwrap()) {
        assert_eq!(read, today, "encoded otherwise than before: raise LOGIC_VERSION");
    }
    assert_eq!(bytes, today, "encoded otherwise than before: raise LOGIC_VERSION");
}

#[test]
fn state_and_inputs_of_this_logic_version_replay_to_the_same_effects() {
    let (bytes, _) = golden("state");
    let replayed = replay(&bytes, |divergence| panic!("the same inputs led to something else: {divergence}"));
    assert!(replayed.expect("raise LOGIC_VERSION").inputs > 20);
}

#[test]
fn segments_of_earlier_logic_versions_give_their_facts() {
    golden("facts");
    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let folded = fold(&bytes).unwrap();
        assert!(folded.facts.pools.len() >= 2 && folded.cut_short.is_none());
        let found = folded.header.logic_version;
        match read(&bytes) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.fault, Fault::OtherLogic { found }),
        }
        seen += 1;
    }
    assert!(seen >= 3, "{seen} golden files");
}
