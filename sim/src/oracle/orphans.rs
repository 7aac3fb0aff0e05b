//! S13: every acknowledged process that lives is its pool's engine, or was killed.

use pool_manager_core::Signal;

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Orphans;

impl Oracle for Orphans {
    fn step(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
        let live = observed.processes.not_over().filter(|process| process.is_alive() && process.acknowledged);
        for process in live {
            let engine = observed.view.pool(process.engine.pool).and_then(|pool| pool.engine);
            let known = engine.is_some_and(|engine| engine.incarnation == process.engine.incarnation);
            hold(known || process.got(Signal::KillTree), "S13: no process is forgotten", || {
                format!("{} lives, pid {}", process.engine, process.pid)
            })?;
        }
        Ok(())
    }
}
