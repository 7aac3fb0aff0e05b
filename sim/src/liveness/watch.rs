//! What holds at every turn of a calm host: nothing takes longer than its bound. `settle` and `provoke` let it look
//! after every turn.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{
    CircuitState, Due, EngineRef, HoldReason, OperationId, OperationKind, PhaseName, PoolUid, PoolView,
    ProbeKind, Time,
};

use super::bounds::{self, LAG};
use super::limiter::Waiters;
use crate::world::World;

/// Looks on while a host is calm.
#[derive(Debug)]
pub(super) struct Watch {
    /// Since when it is calm.
    calm: Time,
    waiters: Waiters,
    /// Until when the operation that runs is to be over; its number.
    operations: BTreeMap<PoolUid, (OperationId, Time)>,
}

impl Watch {
    pub(super) fn begin(world: &World) -> Self {
        Self { calm: world.now(), waiters: Waiters::default(), operations: BTreeMap::new() }
    }

    /// Everything that must hold after any turn.
    ///
    /// # Panics
    /// With the name of what does not.
    pub(super) fn look(&mut self, world: &World) {
        if world.is_down() || world.has_exited() {
            return;
        }
        for pool in world.view().pools() {
            let looked = self
                .drain_ends(&pool, world)
                .and_then(|()| self.stop_ends(&pool, world))
                .and_then(|()| self.operation_ends(&pool, world))
                .and_then(|()| self.crash_withdraws_readiness(&pool, world))
                .and_then(|()| self.is_probed(&pool, world))
                .and_then(|()| self.is_forgiven(&pool, world));
            if let Err(broken) = looked {
                world.fail(&format!("{broken} ({})", describe(&pool)));
            }
        }
        if let Err(broken) = self.waiters.look(world) {
            let pools: Vec<_> = world.view().pools().map(|pool| describe(&pool)).collect();
            world.fail(&format!("{broken}: {}", pools.join("; ")));
        }
    }

    /// L02.
    fn drain_ends(&self, pool: &PoolView<'_>, world: &World) -> Result<(), String> {
        let Some(deadline) = pool.drain_deadline else { return Ok(()) };
        if let Some((until, Due::StageNextAnswer)) = pool.next
            && until > world.now()
        {
            // A reload's model is on its way, and every news of it has its own time.
            return Ok(());
        }
        let within = bounds::after_drain_deadline(pool);
        within_bound(self.since(deadline), within, world, "L02: a drain ends with its deadline")
    }

    /// L03.
    fn stop_ends(&self, pool: &PoolView<'_>, world: &World) -> Result<(), String> {
        let within = match (pool.phase, pool.held) {
            (PhaseName::Stopping, _) => bounds::ladder(pool),
            (PhaseName::Ended, _) => bounds::aftermath(),
            (PhaseName::Held, Some(HoldReason::Stuck)) => bounds::DIES,
            (
                PhaseName::Held
                | PhaseName::Stopped
                | PhaseName::Staging
                | PhaseName::Waiting
                | PhaseName::Starting
                | PhaseName::Ready
                | PhaseName::Draining,
                _,
            ) => return Ok(()),
        };
        within_bound(self.since(pool.since), within, world, "L03: a process that was told to end is reaped")
    }

    /// L04 for reloads, L12 for everything else that somebody waits for.
    fn operation_ends(&mut self, pool: &PoolView<'_>, world: &World) -> Result<(), String> {
        let Some(operation) = pool.operation else {
            self.operations.remove(&pool.uid);
            return Ok(());
        };
        match self.operations.get(&pool.uid) {
            Some((id, until)) if *id == operation.id => {
                if world.now() <= *until {
                    return Ok(());
                }
            }
            Some(_) | None => {
                let until = world.now() + bounds::operation(pool, world);
                self.operations.insert(pool.uid, (operation.id, until));
                return Ok(());
            }
        }
        Err(if operation.kind == OperationKind::Reload {
            "L04: a reload converges, or is told as failed".to_owned()
        } else {
            format!("L12: every command is answered: a {} does not end", operation.kind.label())
        })
    }

    /// L05, the crash: as soon as the core can know.
    fn crash_withdraws_readiness(&self, pool: &PoolView<'_>, world: &World) -> Result<(), String> {
        let Some(engine) = pool.engine.filter(|_| pool.health.ready) else { return Ok(()) };
        let engine = EngineRef { pool: pool.uid, incarnation: engine.incarnation };
        let ended = world.processes().of(engine).and_then(|process| process.ended);
        match ended {
            Some((at, _)) if at > self.calm => {
                within_bound(at, LAG, world, "L05: a crash withdraws readiness at once")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// L10: whatever other pools do.
    fn is_probed(&self, pool: &PoolView<'_>, world: &World) -> Result<(), String> {
        let Some(engine) = pool.engine.filter(|_| pool.phase == PhaseName::Ready) else { return Ok(()) };
        if pool.policy.liveness.interval.is_zero() {
            return Ok(());
        }
        let engine_ref = EngineRef { pool: pool.uid, incarnation: engine.incarnation };
        let process = world.processes().of(engine_ref);
        let probed = process.and_then(|process| {
            process.probes.iter().rev().find(|(_, kind)| *kind == ProbeKind::Liveness).map(|(at, _)| *at)
        });
        let last = probed.max(engine.ready_since).unwrap_or(self.calm).max(pool.since);
        let within = bounds::between_probes(pool);
        within_bound(self.since(last), within, world, "L10: every ready engine is probed in its turn")
    }

    /// L14.
    fn is_forgiven(&self, pool: &PoolView<'_>, world: &World) -> Result<(), String> {
        let since = pool.engine.and_then(|engine| engine.ready_since);
        let Some(since) = since.filter(|_| pool.phase == PhaseName::Ready) else { return Ok(()) };
        let (since, restart) = (self.since(since).max(self.since(pool.since)), &pool.policy.restart);
        let opened = pool.circuits.iter().any(|circuit| circuit.state != CircuitState::Closed);
        let counts = [
            (u64::from(pool.failures), restart.stable_after, "L14: a stable engine's failures are forgiven"),
            (
                u64::from(pool.restart_count),
                restart.restart_count_reset_after,
                "L14: a stable engine's restarts are forgotten",
            ),
            (u64::from(opened), restart.trial_stable, "L14: a stable engine closes the circuits"),
        ];
        for (count, after, name) in counts {
            if count > 0 && !after.is_zero() {
                within_bound(since, after, world, name)?;
            }
        }
        Ok(())
    }

    /// What was under way when calm began has its whole time from then on.
    fn since(&self, at: Time) -> Time {
        at.max(self.calm)
    }
}

fn within_bound(since: Time, within: Duration, world: &World, name: &str) -> Result<(), String> {
    if bounds::is_over(since, within, world.now()) {
        return Err(format!("{name}: since {since}, within {within:?}"));
    }
    Ok(())
}

/// Why a pool is where it is, in one line.
pub(super) fn describe(pool: &PoolView<'_>) -> String {
    let PoolView { name, phase, held, wanted, gates, operation, next, leases_queued, .. } = pool;
    let operation = operation.map(|operation| operation.kind.label());
    format!(
        "pool {name}: {phase:?} held {held:?} wanted {wanted:?} runs {operation:?} queued {leases_queued} next {next:?} gates {gates:?}"
    )
}
