//! How long each thing may take: sums of what a pool's own policy allows and of the deadlines that the core keeps on
//! its executors.

use std::time::Duration;

use pool_manager_core::{CircuitState, PoolView, Time};

use crate::world::World;

/// The core's own deadlines on answers: a spawn, one file, an end's evidence, a release.
const SPAWN: Duration = Duration::from_secs(10);
const FILE: Duration = Duration::from_secs(5);
const EVIDENCE: Duration = Duration::from_millis(300);
const RELEASE: Duration = Duration::from_secs(30);
/// What the core gives an executor that keeps a time-out itself on top.
const ANSWER: Duration = Duration::from_secs(1);
/// What an overloaded host may still owe when calm begins: exits and answers that were on their way.
pub(super) const LAG: Duration = Duration::from_secs(4);
/// The longest a process that got KILL takes to die: a minute and a half in uninterruptible sleep, and as long again
/// until somebody is told of it.
pub(super) const DIES: Duration = Duration::from_secs(180);

/// From the decision to stop an engine to its end, or to *stuck*: spawn, TERM, KILL.
pub(super) fn ladder(pool: &PoolView<'_>) -> Duration {
    let grace = pool.policy.stop.grace.max(pool.policy.drain.force_grace);
    SPAWN + grace + pool.policy.stop.kill_wait + LAG
}

/// From an engine's end to what follows: its evidence and both files.
pub(super) fn aftermath() -> Duration {
    EVIDENCE + 2 * FILE + LAG
}

/// From its deadline to the end of a drain. A reload's drain also waits for its model.
pub(super) fn after_drain_deadline(pool: &PoolView<'_>) -> Duration {
    LAG + if pool.operation.is_some() { pool.policy.start.stage_stall } else { Duration::ZERO }
}

/// One attempt, from staging to ready or to its end. Other pools load first, and each may take its time.
pub(super) fn attempt(pool: &PoolView<'_>, world: &World) -> Duration {
    let longest = |other: &PoolView<'_>| other.policy.start.timeout + ladder(other) + RELEASE + aftermath();
    let others: Duration = world.view().pools().map(|other| longest(&other)).sum();
    pool.policy.start.stage_stall + others + longest(pool)
}

/// The longest wait between two attempts: whatever policy and host may say, circuits as they stand.
pub(super) fn between_attempts(pool: &PoolView<'_>, world: &World) -> Duration {
    let restart = &pool.policy.restart;
    let circuit = pool.circuits.iter().filter_map(|circuit| circuit.until).max();
    let open = circuit.map_or(Duration::ZERO, |until| until.since(world.now().min(until)));
    // One more trial may be under way that is bound to fail. How long a circuit was open before it is not shown.
    let most = restart.circuit_open_cap.max(restart.circuit_open);
    let tries = pool.circuits.iter().any(|circuit| circuit.state == CircuitState::HalfOpen);
    let again = if tries { most } else { (2 * open.max(restart.circuit_open)).min(most) };
    let policy = restart.backoff_cap.max(restart.window).max(restart.host_recheck);
    policy + open + again + world.restarts_within() + restart.host_recheck + RELEASE
}

/// From any state to ready, for an engine that behaves from its next start on: what runs now may still have to fail.
pub(super) fn up(pool: &PoolView<'_>, world: &World) -> Duration {
    let hung = probes_fail(pool) + pool.policy.liveness.doom_drain;
    hung + ladder(pool) + aftermath() + DIES + 2 * (between_attempts(pool, world) + attempt(pool, world))
}

/// From the first bad answer to unready: threshold × (interval + time-out), and the patience with work in progress.
pub(super) fn probes_fail(pool: &PoolView<'_>) -> Duration {
    let liveness = &pool.policy.liveness;
    let one = liveness.interval + liveness.timeout + ANSWER;
    let patience = if pool.leases_active > 0 { liveness.progress_grace } else { Duration::ZERO };
    one * (liveness.failures + 1) + patience
}

/// Between two probes of a ready engine, at most.
pub(super) fn between_probes(pool: &PoolView<'_>) -> Duration {
    let liveness = &pool.policy.liveness;
    2 * (liveness.interval + liveness.timeout + ANSWER)
}

/// A whole operation, from wherever it is: a drain, a stop, and both starts of a reload.
pub(super) fn operation(pool: &PoolView<'_>, world: &World) -> Duration {
    let draining = pool.drain_deadline.map_or(Duration::ZERO, |at| at.since(world.now().min(at)));
    pool.policy.drain.deadline.max(draining)
        + pool.policy.start.stage_stall
        + 2 * ladder(pool)
        + up(pool, world)
}

/// A shutdown, from its first request to the exit.
pub(super) fn shutdown(world: &World) -> Duration {
    let longest = world.view().pools().map(|pool| ladder(&pool)).max().unwrap_or_default();
    world.shutdown_deadline() + longest + aftermath() + SPAWN
}

/// A start that an operator let pass: room among those that load, and the release check.
pub(super) fn allowed_start(pool: &PoolView<'_>, world: &World) -> Duration {
    RELEASE + attempt(pool, world)
}

/// Whether an instant plus a span is over.
pub(super) fn is_over(since: Time, span: Duration, now: Time) -> bool {
    since + span < now
}
