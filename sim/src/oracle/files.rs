//! W03: PID and handoff files are gone before a pool is at rest or goes on to its next engine.

use pool_manager_core::{FileKind, PhaseName};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug)]
pub(super) struct Files;

impl Oracle for Files {
    fn step(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
        for pool in observed.view.pools() {
            let none = match pool.phase {
                PhaseName::Stopped | PhaseName::Staging | PhaseName::Waiting => true,
                PhaseName::Starting
                | PhaseName::Ready
                | PhaseName::Draining
                | PhaseName::Stopping
                | PhaseName::Ended
                | PhaseName::Held => false,
            };
            let found = [FileKind::Pid, FileKind::Handoff]
                .into_iter()
                .find(|kind| observed.disk.file(pool.uid, *kind).is_some());
            hold(!none || found.is_none(), "W03: no file outlives its engine", || {
                format!("pool {} is {} and has {found:?}", pool.name, pool.phase.label())
            })?;
        }
        Ok(())
    }
}
