//! The sections `start`, `liveness`, `lease`, `drain`, `stop` and `restart` of a pool: one line for
//! each number of the core's [`Policy`], its default coming from the preset.

use pool_manager_core::{
    DrainPolicy, LeasePolicy, LivenessPolicy, Policy, RestartMode, RestartPolicy, StartPolicy, StopPolicy,
};

use super::reader::Reader;
use super::units::{Bounds, show};

/// A policy as written, and what the operator left to the model's size.
pub(super) struct WrittenPolicy {
    pub(super) policy: Policy,
    /// Whether the file gives `start.timeout`.
    pub(super) start_timeout_given: bool,
}

/// Reads every section of a pool's policy.
pub(super) fn read(pool: &Reader<'_>, default: &Policy) -> WrittenPolicy {
    let policy = Policy {
        start: start(pool.section("start"), &default.start),
        liveness: liveness(pool.section("liveness"), &default.liveness),
        lease: lease(pool.section("lease"), &default.lease),
        drain: drain(pool.section("drain"), &default.drain),
        stop: stop(pool.section("stop"), &default.stop),
        restart: restart(pool.section("restart"), &default.restart),
        ..default.clone()
    };
    WrittenPolicy { policy, start_timeout_given: pool.section("start").has("timeout") }
}

fn start(keys: Reader<'_>, default: &StartPolicy) -> StartPolicy {
    let policy = StartPolicy {
        timeout: keys.duration("timeout", default.timeout, Bounds::POSITIVE),
        probe_interval: keys.duration("probe_interval", default.probe_interval, Bounds::PACE),
        probe_timeout: keys.duration("probe_timeout", default.probe_timeout, Bounds::POSITIVE),
        stage_stall: keys.duration("stage_stall", default.stage_stall, Bounds::POSITIVE),
        ..default.clone()
    };
    keys.finish();
    policy
}

fn liveness(keys: Reader<'_>, default: &LivenessPolicy) -> LivenessPolicy {
    let policy = LivenessPolicy {
        interval: keys.duration("interval", default.interval, Bounds::PACE_OR_OFF),
        timeout: keys.duration("timeout", default.timeout, Bounds::POSITIVE),
        failures: keys.integer("failures", 1..=1000).unwrap_or(default.failures),
        progress_grace: keys.duration("progress_grace", default.progress_grace, Bounds::FROM_ZERO),
        ..default.clone()
    };
    keys.finish();
    policy
}

fn lease(keys: Reader<'_>, default: &LeasePolicy) -> LeasePolicy {
    let policy = LeasePolicy {
        slots: keys.integer("slots", 1..=100_000).unwrap_or(default.slots),
        queue: keys.integer("queue", 0..=100_000).unwrap_or(default.queue),
        queue_wait: keys.duration("queue_wait", default.queue_wait, Bounds::FROM_ZERO),
        ttl: keys.duration("ttl", default.ttl, Bounds::FROM_ZERO),
    };
    keys.finish();
    policy
}

fn drain(keys: Reader<'_>, default: &DrainPolicy) -> DrainPolicy {
    let policy = DrainPolicy {
        deadline: keys.duration("deadline", default.deadline, Bounds::FROM_ZERO),
        force_grace: keys.duration("force_grace", default.force_grace, Bounds::FROM_ZERO),
    };
    keys.finish();
    policy
}

fn stop(keys: Reader<'_>, default: &StopPolicy) -> StopPolicy {
    let policy = StopPolicy {
        grace: keys.duration("grace", default.grace, Bounds::FROM_ZERO),
        kill_wait: keys.duration("kill_wait", default.kill_wait, Bounds::POSITIVE),
    };
    keys.finish();
    policy
}

fn restart(keys: Reader<'_>, default: &RestartPolicy) -> RestartPolicy {
    const MODES: [(&str, RestartMode); 3] = [
        ("on-failure", RestartMode::OnFailure),
        ("always", RestartMode::Always),
        ("never", RestartMode::Never),
    ];
    let policy = RestartPolicy {
        mode: keys.choice("mode", "a restart mode", &MODES).unwrap_or(default.mode),
        backoff_initial: keys.duration("backoff_initial", default.backoff_initial, Bounds::FROM_ZERO),
        backoff_cap: keys.duration("backoff_cap", default.backoff_cap, Bounds::FROM_ZERO),
        backoff_floor: keys.duration("backoff_floor", default.backoff_floor, Bounds::FROM_ZERO),
        cuda_factor: keys.integer("cuda_factor", 1..=1000).unwrap_or(default.cuda_factor),
        stable_after: keys.duration("stable_after", default.stable_after, Bounds::POSITIVE),
        restart_count_reset_after: keys.duration(
            "restart_count_reset_after",
            default.restart_count_reset_after,
            Bounds::POSITIVE,
        ),
        config_recheck: keys.duration("config_recheck", default.config_recheck, Bounds::PACE),
        host_recheck: keys.duration("host_recheck", default.host_recheck, Bounds::PACE),
        ..default.clone()
    };
    check_backoff(&keys, &policy);
    keys.finish();
    policy
}

/// The delay is held between floor and cap, so they must not cross.
fn check_backoff(keys: &Reader<'_>, policy: &RestartPolicy) {
    let cap = policy.backoff_cap;
    let over = [("backoff_floor", policy.backoff_floor), ("backoff_initial", policy.backoff_initial)];
    let Some((key, value)) = over.into_iter().find(|(_, value)| *value > cap) else { return };
    let blamed = if keys.has(key) { key } else { "backoff_cap" };
    let message = format!(
        "{key} ({}) is above backoff_cap ({}); lower the one or raise the other",
        show(value),
        show(cap)
    );
    keys.error(blamed, message);
}
