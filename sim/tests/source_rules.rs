//! Rules about the sources that no compiler checks: nothing that decides or simulates reads a clock, a thread, a
//! hash order, the environment or an unseeded random number, and no `select!` picks a branch by chance.

use std::fs;
use std::path::{Path, PathBuf};

/// What would make two runs of one seed differ.
const NOT_DETERMINISTIC: [&str; 11] = [
    "Instant::now",
    "SystemTime",
    "std::thread",
    "thread::spawn",
    "HashMap",
    "HashSet",
    "RandomState",
    "rand::rng(",
    "SysRng",
    "std::env",
    "getrandom",
];

/// Where it may stand all the same, and why.
const ALLOWED: [(&str, &str, &str); 7] = [
    ("features/src/runner.rs", "std::env", "the command line of a test target: which features, which seeds"),
    ("sim/src/bin/poolsim/explore.rs", "Instant::now", "how long a search took, around all of it"),
    ("sim/src/bin/poolsim/run.rs", "std::env", "whether a person wants colours"),
    ("sim/src/bin/poolsim/sweep/mod.rs", "std::thread", "how many processors there are; no run knows"),
    ("sim/src/bin/poolsim/sweep/tally.rs", "Instant::now", "how long a sweep took, around all its runs"),
    ("sim/src/bin/poolsim/sweep/workers.rs", "Instant::now", "when the progress bar appears"),
    ("sim/src/bin/poolsim/sweep/workers.rs", "std::thread", "each run stays on one thread and sees no other"),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file under a folder of the workspace, with its path from there.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(workspace().join(&folder)).expect("the folder is there") {
            let entry = entry.expect("it can be listed");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("it has a type").is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(entry.path()).expect("a source is text");
                found.push((path.display().to_string(), text));
            }
        }
    }
    assert!(found.len() > 5, "{folder} has sources");
    found
}

/// Lines that are code, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn nothing_that_decides_or_simulates_depends_on_anything_but_its_seed() {
    let mut broken = Vec::new();
    let mut used = [false; ALLOWED.len()];
    for (path, text) in ["core/src", "sim/src", "features/src"].into_iter().flat_map(sources) {
        for (number, line) in code(&text) {
            for word in NOT_DETERMINISTIC.iter().filter(|word| line.contains(**word)) {
                match ALLOWED.iter().position(|(file, allowed, _)| *file == path && allowed == word) {
                    Some(place) => used[place] = true,
                    None => broken.push(format!("{path}:{number}: {word}")),
                }
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new(), "take time, chance and order from the seed");
    assert_eq!(used, [true; ALLOWED.len()], "an exception nobody needs is struck from the list");
}

#[test]
fn no_select_picks_a_branch_by_chance() {
    let mut broken = Vec::new();
    for (path, text) in sources("runtime/src") {
        let mut lines = code(&text).peekable();
        while let Some((number, line)) = lines.next() {
            let opens = line.contains("select! {");
            if opens && lines.peek().is_none_or(|(_, next)| next.trim() != "biased;") {
                broken.push(format!("{path}:{number}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new(), "the first line of every select! is `biased;`");
}
