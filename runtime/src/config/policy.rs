//! The sections `start`, `liveness`, `lease`, `drain`, `stop` and `reload` of a pool: one line for
//! each number of the core's [`Policy`], its default coming from the preset. The section `restart` has
//! a file of its own.

use pool_manager_core::{
    DrainPolicy, LeasePolicy, LivenessPolicy, OnDrainTimeout, Policy, ReloadPolicy, StartPolicy, StopPolicy,
};

use super::reader::Reader;
use super::restart::restart;
use super::units::Bounds;

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
        reload: reload(pool.section("reload"), &default.reload),
    };
    WrittenPolicy { policy, start_timeout_given: pool.section("start").has("timeout") }
}

fn start(keys: Reader<'_>, default: &StartPolicy) -> StartPolicy {
    let policy = StartPolicy {
        timeout: keys.duration("timeout", default.timeout, Bounds::POSITIVE),
        probe_interval: keys.duration("probe_interval", default.probe_interval, Bounds::PACE),
        probe_timeout: keys.duration("probe_timeout", default.probe_timeout, Bounds::POSITIVE),
        stage_stall: keys.duration("stage_stall", default.stage_stall, Bounds::POSITIVE),
        limited: keys.boolean("limited", default.limited),
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
        suspect_for: keys.duration("suspect_for", default.suspect_for, Bounds::FROM_ZERO),
        log_is_trusted: keys.boolean("log_is_trusted", default.log_is_trusted),
        doom_drain: keys.duration("doom_drain", default.doom_drain, Bounds::FROM_ZERO),
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

fn reload(keys: Reader<'_>, default: &ReloadPolicy) -> ReloadPolicy {
    const CHOICES: [(&str, OnDrainTimeout); 2] =
        [("abort", OnDrainTimeout::Abort), ("force", OnDrainTimeout::Force)];
    let chosen = keys.choice("on_drain_timeout", "a way to end a drain", &CHOICES);
    let policy = ReloadPolicy { on_drain_timeout: chosen.unwrap_or(default.on_drain_timeout) };
    keys.finish();
    policy
}
