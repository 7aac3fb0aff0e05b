//! S19: while a circuit is open nothing is started under policy. Only a reload, which is the cure for a bad
//! model, and a restart that an operator allowed may start an engine; and an operator allows one restart, not
//! two.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{CircuitState, Effect, EngineRef, Input, OperationKind, PoolUid, PoolView, Verb};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Circuits {
    /// How many restarts of a pool an operator allowed that did not come yet: one, and one more where a start of the
    /// supervisor asks again for an engine that was never made.
    allowed: BTreeMap<PoolUid, u8>,
    /// The engines that took such an allowance last: one that was never made is asked for again.
    took: BTreeMap<PoolUid, EngineRef>,
    /// The supervisor that starts now has an older state.
    forgot: bool,
    /// Pools with a circuit that was open before this step: the very start that makes a storm opens one.
    open: BTreeSet<PoolUid>,
    /// Pools whose reload puts back what it took: the start may come when the reload's caller has been told.
    reloading: BTreeSet<PoolUid>,
}

impl Oracle for Circuits {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            if std::mem::take(&mut self.forgot) {
                self.allowed.extend(before.view.pools().map(|pool| (pool.uid, 1)));
            }
            let unmade = |pool: &PoolView<'_>| {
                let engine = pool.engine.filter(|engine| engine.pid.is_none())?;
                Some(EngineRef { pool: pool.uid, incarnation: engine.incarnation })
            };
            let again = before.view.pools().filter_map(|pool| unmade(&pool));
            for engine in again.filter(|engine| self.took.get(&engine.pool) == Some(engine)) {
                *self.allowed.entry(engine.pool).or_default() += 1;
            }
        }
        if let Input::Command { pool, verb: Verb::AllowRestart, .. } = input {
            let allowed = self.allowed.entry(*pool).or_default();
            *allowed = (*allowed).max(1);
        }
        Ok(())
    }

    fn history_lost(&mut self) {
        // An allowance that was used may be unused again; the same is true of a reload that put back what it took.
        self.forgot = true;
        self.reloading.clear();
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, .. } = effect else { return Ok(()) };
        let Some(pool) = observed.view.pool(engine.pool) else { return Ok(()) };
        let open = self.open.contains(&pool.uid) && is_open(&pool);
        let reloads = self.reloading.contains(&pool.uid);
        let left = self.allowed.get_mut(&pool.uid).filter(|left| **left > 0);
        let allowed = left.is_some();
        if let Some(left) = left
            && is_open(&pool)
            && !reloads
        {
            self.took.insert(pool.uid, *engine);
            // Where the circuits were closed the start may have been any; the allowance may be kept.
            *left -= u8::from(open);
        }
        hold(!open || reloads || allowed, "S19: nothing is started while a circuit is open", || {
            format!("{engine} is spawned; circuits {:?}", pool.circuits)
        })
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let reloads = pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload);
        note(&mut self.reloading, pool.uid, reloads);
        note(&mut self.open, pool.uid, is_open(pool));
        Ok(())
    }
}

fn note(pools: &mut BTreeSet<PoolUid>, pool: PoolUid, is: bool) {
    if is {
        pools.insert(pool)
    } else {
        pools.remove(&pool)
    };
}

fn is_open(pool: &PoolView<'_>) -> bool {
    pool.circuits.iter().any(|circuit| circuit.state == CircuitState::Open)
}
