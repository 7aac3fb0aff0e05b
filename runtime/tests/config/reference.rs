//! The reference config: right itself, and complete.

use std::time::Duration;

use pool_manager::config::REFERENCE;
use pool_manager_core::Policy;

use crate::{errors, parse};

/// The reference with every optional key taken in.
pub(crate) fn reference_uncommented() -> String {
    let optional = |line: &&str| {
        let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(key, _)| key);
        key.is_some_and(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let line = |line| if optional(&line) { line.trim_start_matches("# ") } else { line };
    REFERENCE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_is_a_config_and_what_it_calls_defaults_are() {
    let (plain, full) = (parse(REFERENCE), parse(&reference_uncommented()));
    assert_eq!(plain.warnings, Vec::<String>::new());
    assert_eq!(full.host, plain.host);
    assert_eq!(full.control.listen, plain.control.listen);
    let mut full_policy = full.pools[0].spec.policy.clone();
    assert_eq!(full_policy, plain.pools[0].spec.policy);
    full_policy.start.timeout = Duration::from_secs(120);
    assert_eq!(full_policy, Policy::default());
    assert_eq!(full.pools[0].launch.argv, plain.pools[0].launch.argv);
    assert_eq!(full.pools[0].launch.readiness, plain.pools[0].launch.readiness);
    assert_eq!(full.pools[0].spec.autostart, plain.pools[0].spec.autostart);
    assert_eq!(full.pools[0].launch.core_dumps, plain.pools[0].launch.core_dumps);
}

/// A section lists its keys when it meets one that is like none of them; so nothing that is
/// accepted can be left out of the reference.
#[test]
fn every_key_that_is_accepted_is_in_the_reference() {
    let reference = reference_uncommented();
    let headers = ["", "[control]", "[pool.chat]", "[pool.chat.start]", "[pool.chat.liveness]"];
    let headers = [
        &headers[..],
        &[
            "[limiter]",
            "[pool.chat.hints]",
            "[pool.chat.lease]",
            "[pool.chat.drain]",
            "[pool.chat.stop]",
            "[pool.chat.reload]",
            "[pool.chat.restart]",
        ],
    ]
    .concat();
    let mut keys_seen = 0;
    for header in headers {
        let text = match header {
            "" => format!("qqqqqqqqqqqq = 1\n{reference}"),
            header => reference.replacen(header, &format!("{header}\nqqqqqqqqqqqq = 1"), 1),
        };
        let fault = errors(&text);
        let (_, known) = fault.split_once("unknown key; known here: ").unwrap_or_else(|| panic!("{fault}"));
        for key in known.lines().next().unwrap_or("").split(", ") {
            keys_seen += 1;
            let sections = [
                "control", "limiter", "pool", "hints", "start", "liveness", "lease", "drain", "stop",
                "reload", "restart",
            ];
            let written = sections.contains(&key) || reference.contains(&format!("\n{key} = "));
            assert!(written, "{key} of {header:?} is not in reference.toml");
        }
    }
    assert!(keys_seen > 50, "{keys_seen}");
}
