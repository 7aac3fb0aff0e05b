//! S13: every acknowledged process that lives is its pool's engine, or was killed; so is what an engine left
//! behind when its first process ended. S20: nothing is started beside what is left of an earlier engine.

use pool_manager_core::{Effect, Signal};

use super::{Observed, Oracle, Violation, hold};
use crate::process_table::Process;

const NAME: &str = "S13: no process is forgotten";

#[derive(Debug, Default)]
pub(super) struct Orphans;

impl Oracle for Orphans {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, .. } = effect else { return Ok(()) };
        let mut earlier = observed.processes.not_over().filter(|process| process.engine.pool == engine.pool);
        let left = earlier.find(|process| process.ended.is_some() && process.live_workers() > 0);
        hold(left.is_none(), "S20: no engine is started beside what is left of an earlier one", || {
            format!("{engine} is spawned, of {:?} lives a worker", left.map(|process| process.engine))
        })
    }

    fn step(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
        let told_of = |process: &&Process| process.acknowledged || process.reaped;
        for process in observed.processes.not_over().filter(told_of) {
            let engine = observed.view.pool(process.engine.pool).and_then(|pool| pool.engine);
            if engine.is_some_and(|engine| engine.incarnation == process.engine.incarnation) {
                continue;
            }
            hold(!process.is_alive() || process.got(Signal::KillTree), NAME, || {
                format!("{} lives, pid {}", process.engine, process.pid)
            })?;
            let left = process.workers.iter().find(|worker| worker.ended.is_none() && !worker.killed);
            hold(left.is_none(), NAME, || format!("of {} lives {left:?}", process.engine))?;
        }
        Ok(())
    }
}
