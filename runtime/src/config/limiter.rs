//! The section `limiter`: how many engines of the whole host may load, and be restarted, at once.

use pool_manager_core::LimiterPolicy;

use super::reader::Reader;
use super::units::Bounds;

/// Reads the section.
pub(super) fn read(keys: Reader<'_>) -> LimiterPolicy {
    let default = LimiterPolicy::default();
    let count = |key, default| keys.integer(key, 0..=10_000).unwrap_or(default);
    let policy = LimiterPolicy {
        loads_at_once: count("loads_at_once", default.loads_at_once),
        restarts_least: count("restarts_least", default.restarts_least),
        restarts_per_pool: count("restarts_per_pool", default.restarts_per_pool),
        restarts_within: keys.duration("restarts_within", default.restarts_within, Bounds::POSITIVE),
        exempt_below: keys.duration("exempt_below", default.exempt_below, Bounds::FROM_ZERO),
    };
    if policy.restarts_least == 0 && keys.has("restarts_per_pool") {
        keys.error(
            "restarts_per_pool",
            "has no meaning while restarts_least is 0, which allows any number; remove one of them",
        );
    }
    keys.finish();
    policy
}
