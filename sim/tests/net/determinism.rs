//! The same seed gives the same run, to the line: here, again, and in another process. And a panic anywhere
//! fails the run.

use std::process::Command;
use std::time::Duration;

use crate::log::hash;
use crate::stage::Stage;
use crate::{books, probes, retries, stream, waiting};

/// One run of a seed, as the lines of its log.
type Scenario = fn(u64) -> Vec<String>;

/// Every scenario, by name.
const SCENARIOS: [(&str, Scenario); 5] = [
    ("books", books::play),
    ("probes", probes::play),
    ("retries", retries::play),
    ("stream", stream::play),
    ("waiting", waiting::play),
];

/// So many seeds a scenario is played under, and so many of them twice.
const SEEDS: u64 = 21;
const TWICE: u64 = 3;

/// Plays a scenario under every seed, and compares the lines of those that are played twice. Returns all lines.
pub(crate) fn play_all(play: fn(u64) -> Vec<String>) -> Vec<String> {
    let mut hashes = Vec::new();
    let mut all = Vec::new();
    for seed in 0..SEEDS {
        let lines = play(seed);
        if seed < TWICE {
            let again = play(seed);
            let differs = lines.iter().zip(&again).find(|(first, again)| first != again);
            assert_eq!(differs, None, "seed {seed}: the first line that differs");
            assert_eq!(lines.len(), again.len(), "seed {seed}: one run went on");
        }
        assert!(lines.len() > 50, "seed {seed}: next to nothing happened");
        hashes.push(hash(&lines));
        all.extend(lines);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len() as u64, SEEDS, "every seed is a run of its own");
    all
}

#[test]
fn another_process_plays_the_same_runs() {
    const CHILD: &str = "POOL_MANAGER_NET_HASHES";
    const SEED: u64 = 17;
    const NAME: &str = "determinism::another_process_plays_the_same_runs";
    let mut hashes = String::new();
    for (name, play) in SCENARIOS {
        hashes.push_str(&format!("{name} {:016x}\n", hash(&play(SEED))));
    }
    if std::env::var_os(CHILD).is_some() {
        print!("\n{hashes}");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", NAME, "--nocapture", "--test-threads", "1"];
    let child = Command::new(program).args(arguments).env(CHILD, "1").output().unwrap();
    let printed = String::from_utf8(child.stdout).unwrap();
    assert!(child.status.success(), "{printed}");
    assert!(printed.contains(&hashes), "here:\n{hashes}there:\n{printed}");
}

#[test]
#[should_panic(expected = "a task of the simulation panicked")]
fn a_panic_of_a_spawned_task_fails_the_run() {
    let mut stage = Stage::new(1);
    stage.host("canary", || async {
        drop(tokio::spawn(async { panic!("the canary sings") }));
        std::future::pending().await
    });
    stage.run_until(Duration::from_secs(1));
}
