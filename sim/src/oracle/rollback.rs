//! S28: a reload is all or nothing. What it commits is what it was asked for; any other end leaves the committed
//! spec as it was, and one that was rolled back leaves an engine that was started with it, if the pool was up
//! before.

use std::collections::BTreeMap;

use pool_manager_core::{
    EngineRef, Input, OperationId, OperationKind, Outcome, PoolUid, PoolView, SpecHash, Wanted,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct AllOrNothing {
    /// The reload that runs, and the committed spec at its start.
    running: BTreeMap<PoolUid, (OperationId, SpecHash)>,
}

const NAME: &str = "S28: a reload is all or nothing";

impl Oracle for AllOrNothing {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            // One may have ended in the step in which the supervisor died; its engine may be gone by now.
            return before.view.pools().try_for_each(|pool| self.pool(&pool, before));
        }
        Ok(())
    }

    fn history_lost(&mut self) {
        self.running.clear();
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let reload = pool.operation.filter(|operation| operation.kind == OperationKind::Reload);
        let before = self.running.get(&pool.uid).copied();
        if reload.is_none() && before.is_none() {
            return Ok(());
        }
        if let (Some(reload), Some((id, spec))) = (reload, before)
            && reload.id == id
        {
            return hold(pool.spec.hash == spec, NAME, || {
                format!("pool {} shows another spec while its reload runs", pool.name)
            });
        }
        match reload {
            Some(reload) => self.running.insert(pool.uid, (reload.id, pool.spec.hash)),
            None => self.running.remove(&pool.uid),
        };
        match before {
            Some((id, spec)) => ended(observed, pool, id, spec),
            None => Ok(()),
        }
    }
}

fn ended(
    observed: Observed<'_>,
    pool: &PoolView<'_>,
    id: OperationId,
    before: SpecHash,
) -> Result<(), Violation> {
    let outcome = observed.view.operation(id).and_then(|operation| operation.ended.as_ref());
    // Another version of the supervisor keeps no outcomes.
    let Some((_, outcome)) = outcome else { return Ok(()) };
    let engine = pool.engine.map(|engine| EngineRef { pool: pool.uid, incarnation: engine.incarnation });
    let runs = engine.and_then(|engine| observed.processes.of(engine)).map(|process| process.spec);
    match outcome {
        Outcome::Completed => hold(runs.is_none_or(|spec| spec == pool.spec.hash), NAME, || {
            format!("pool {} commits {:?} and runs {runs:?}", pool.name, pool.spec.hash)
        }),
        Outcome::RolledBack { .. } => {
            let is_back = runs == Some(before) || (runs.is_none() && pool.wanted != Wanted::Up);
            hold(pool.spec.hash == before && is_back, NAME, || {
                format!("pool {} is rolled back to {before:?} and runs {runs:?}", pool.name)
            })
        }
        Outcome::EngineExited { .. }
        | Outcome::Failed { .. }
        | Outcome::ForceStopped { .. }
        | Outcome::Interrupted
        | Outcome::Superseded { .. }
        | Outcome::Stuck
        | Outcome::TimedOut
        | Outcome::Undrained => hold(pool.spec.hash == before, NAME, || {
            format!("pool {} shows another spec after a reload that ended as {outcome:?}", pool.name)
        }),
    }
}
