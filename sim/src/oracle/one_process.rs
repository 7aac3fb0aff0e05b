//! S09: at most one live process per pool; none is spawned before the last one was reaped.
//!
//! A process that came of a spawn the core had given up is killed at once and does not count.

use pool_manager_core::{Effect, PoolView, Signal};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct OneProcess;

impl Oracle for OneProcess {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, .. } = effect else { return Ok(()) };
        // Acknowledged and not reaped: the core knows of it.
        let known = observed.processes.not_over().find(|process| {
            process.engine.pool == engine.pool
                && process.acknowledged
                && !process.reaped
                && !process.got(Signal::KillTree)
        });
        hold(known.is_none(), "S09: no spawn before the last engine was reaped", || {
            format!("{engine} is spawned beside {:?}", known.map(|process| process.engine))
        })
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let alive = observed
            .processes
            .alive(pool.uid)
            .filter(|process| process.acknowledged && !process.got(Signal::KillTree))
            .count();
        hold(alive <= 1, "S09: at most one live process per pool", || {
            format!("pool {} has {alive}", pool.name)
        })
    }
}
