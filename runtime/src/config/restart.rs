//! The section `restart` of a pool: backoff, circuits, the sliding window and storms. Read by `policy`.
//!
//! Numbers that contradict one another are refused here, at the key that was written: the core may then
//! take every policy for one that can be followed.

use pool_manager_core::{RestartMode, RestartPolicy};

use super::reader::Reader;
use super::units::{Bounds, show};

/// A count of 0 switches off what is counted; the core keeps somewhat more instants than this.
const COUNT: std::ops::RangeInclusive<u32> = 0..=1000;

/// Reads the section.
pub(super) fn restart(keys: Reader<'_>, default: &RestartPolicy) -> RestartPolicy {
    const MODES: [(&str, RestartMode); 3] = [
        ("on-failure", RestartMode::OnFailure),
        ("always", RestartMode::Always),
        ("never", RestartMode::Never),
    ];
    let count = |key, default| keys.integer(key, COUNT).unwrap_or(default);
    let patience = |key, default| keys.duration(key, default, Bounds::POSITIVE);
    let policy = RestartPolicy {
        mode: keys.choice("mode", "a restart mode", &MODES).unwrap_or(default.mode),
        backoff_initial: keys.duration("backoff_initial", default.backoff_initial, Bounds::FROM_ZERO),
        backoff_cap: keys.duration("backoff_cap", default.backoff_cap, Bounds::FROM_ZERO),
        backoff_floor: keys.duration("backoff_floor", default.backoff_floor, Bounds::FROM_ZERO),
        cuda_factor: keys.integer("cuda_factor", 1..=1000).unwrap_or(default.cuda_factor),
        stable_after: patience("stable_after", default.stable_after),
        restart_count_reset_after: patience("restart_count_reset_after", default.restart_count_reset_after),
        config_recheck: keys.duration("config_recheck", default.config_recheck, Bounds::PACE),
        host_recheck: keys.duration("host_recheck", default.host_recheck, Bounds::PACE),
        circuit_failures: count("circuit_failures", default.circuit_failures),
        circuit_open: patience("circuit_open", default.circuit_open),
        circuit_open_cap: patience("circuit_open_cap", default.circuit_open_cap),
        trial_stable: patience("trial_stable", default.trial_stable),
        window: patience("window", default.window),
        window_restarts: count("window_restarts", default.window_restarts),
        window_warning: count("window_warning", default.window_warning),
        storm_restarts: count("storm_restarts", default.storm_restarts),
        storm_within: patience("storm_within", default.storm_within),
        oom_storm_ends: count("oom_storm_ends", default.oom_storm_ends),
        oom_storm_within: patience("oom_storm_within", default.oom_storm_within),
    };
    check_order(&keys, &policy);
    check_window(&keys, &policy);
    keys.finish();
    policy
}

/// Durations of which one must not be above the other: the delay is held between floor and cap, a circuit's
/// open time grows up to its cap, and a storm is looked for among the restarts that the window keeps.
fn check_order(keys: &Reader<'_>, policy: &RestartPolicy) {
    let RestartPolicy { backoff_floor, backoff_initial, backoff_cap, .. } = policy;
    let RestartPolicy { circuit_open, circuit_open_cap, storm_within, window, .. } = policy;
    let ordered = [
        ("backoff_floor", backoff_floor, "backoff_cap", backoff_cap),
        ("backoff_initial", backoff_initial, "backoff_cap", backoff_cap),
        ("circuit_open", circuit_open, "circuit_open_cap", circuit_open_cap),
        ("storm_within", storm_within, "window", window),
    ];
    let mut blamed_before = Vec::new();
    for (low_key, low, high_key, high) in ordered {
        let blamed = if keys.has(low_key) { low_key } else { high_key };
        if low > high && !blamed_before.contains(&blamed) {
            blamed_before.push(blamed);
            let (low, high) = (show(*low), show(*high));
            let why =
                format!("{low_key} ({low}) is above {high_key} ({high}); lower the one or raise the other");
            keys.error(blamed, why);
        }
    }
}

/// The window holds restarts back before these numbers could be reached. A default that is out of reach is
/// switched off by it, which is what a small window means; one that was written is a mistake.
fn check_window(keys: &Reader<'_>, policy: &RestartPolicy) {
    let most = policy.window_restarts;
    if most == 0 {
        return;
    }
    let too_many = |key, more_than| {
        let why = format!(
            "can never happen: after window_restarts ({most}) within window the next restart waits; lower {key} {more_than} or raise window_restarts"
        );
        keys.error(key, why);
    };
    if keys.has("storm_restarts") && policy.storm_restarts > most {
        too_many("storm_restarts", format!("to {most}"));
    }
    if keys.has("window_warning") && policy.window_warning >= most {
        too_many("window_warning", format!("below {most}"));
    }
}
