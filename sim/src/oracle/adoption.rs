//! S10 across starts of the supervisor: what its end cannot change is as it was. An engine that outlived it is not
//! signalled unless a stop or a drain was under way; one that served serves; counters and leases go on.
//!
//! `world` asks at every start that knows what was: what was lost is compared with what the first step made of it.

use pool_manager_core::{EngineRef, LeaseId, PhaseName, PoolUid, PoolView, Resume, View, Wanted};

use super::{Violation, hold};
use crate::process_table::ProcessTable;

/// What must be kept.
#[derive(Debug)]
pub(crate) struct Kept {
    engines: Vec<KeptEngine>,
    /// The start knows everything, not the Facts alone.
    whole: bool,
}

/// An engine that lives, and its pool as it was.
#[derive(Debug)]
struct KeptEngine {
    engine: EngineRef,
    /// It was in service, and nobody wanted it out.
    serves: bool,
    signals: usize,
    counters: (u64, u32, u32),
    leases: Vec<LeaseId>,
}

const NAME: &str = "S10: an engine outlives the supervisor as if nothing was";

impl Kept {
    /// What must be kept of a host whose supervisor died, as far as engines live.
    pub(crate) fn of(lost: View<'_>, processes: &ProcessTable, census: &Resume, whole: bool) -> Self {
        let engines = census.alive.iter().filter_map(|adopted| {
            let pool = lost.pool(adopted.engine.pool)?;
            let known = pool.engine.filter(|engine| engine.incarnation == adopted.engine.incarnation)?;
            known.pid?;
            Some(KeptEngine {
                engine: adopted.engine,
                serves: serves(&pool),
                signals: processes.of(adopted.engine)?.signals.len(),
                counters: counters(&pool),
                leases: lost.leases(pool.uid).map(|lease| lease.id).collect(),
            })
        });
        Self { engines: engines.collect(), whole }
    }

    /// After the first step of the new start.
    ///
    /// # Errors
    /// What was not kept.
    pub(crate) fn check(&self, now: View<'_>, processes: &ProcessTable) -> Result<(), Violation> {
        self.engines.iter().try_for_each(|kept| kept.check(now, processes, self.whole))
    }
}

impl KeptEngine {
    fn check(&self, now: View<'_>, processes: &ProcessTable, whole: bool) -> Result<(), Violation> {
        let Self { engine, .. } = *self;
        let pool = now.pool(engine.pool);
        let counted = pool.as_ref().map(counters);
        hold(counted == Some(self.counters), NAME, || {
            format!("{engine}: crashes, restarts, failures were {:?} and are {counted:?}", self.counters)
        })?;
        if !self.serves {
            return Ok(());
        }
        let runs = pool.as_ref().and_then(|pool| pool.engine).map(|engine| engine.incarnation);
        let is_ready = pool.as_ref().is_some_and(|pool| pool.phase == PhaseName::Ready && pool.health.ready);
        hold(is_ready && runs == Some(engine.incarnation), NAME, || {
            format!(
                "{engine} served, and its pool is {:?} with {runs:?}",
                pool.as_ref().map(|pool| pool.phase)
            )
        })?;
        let signals = processes.of(engine).map_or(0, |process| process.signals.len());
        hold(signals == self.signals, NAME, || format!("{engine} served and was signalled"))?;
        let leases = leases(now, engine.pool);
        // Facts do not know what was granted since, nor what expired.
        hold(!whole || leases == self.leases, NAME, || {
            format!("{engine}: the leases were {:?} and are {leases:?}", self.leases)
        })
    }
}

fn serves(pool: &PoolView<'_>) -> bool {
    pool.phase == PhaseName::Ready && pool.health.ready && !pool.doomed && pool.wanted == Wanted::Up
}

const fn counters(pool: &PoolView<'_>) -> (u64, u32, u32) {
    (pool.crashes_total, pool.restart_count, pool.failures)
}

fn leases(view: View<'_>, pool: PoolUid) -> Vec<LeaseId> {
    view.leases(pool).map(|lease| lease.id).collect()
}
