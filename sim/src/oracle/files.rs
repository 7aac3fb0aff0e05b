//! W03: PID and handoff files are gone before a pool is at rest or goes on to its next engine. A removal that is
//! not answered in time is given up: a sick disk must not hold a pool up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pool_manager_core::{Completion, Effect, EffectId, FileKind, Input, PhaseName, PoolUid, PoolView, Time};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Files {
    /// Removals that were not answered yet, and since when.
    removals: BTreeMap<EffectId, (PoolUid, FileKind, Time)>,
    /// Files whose removal failed: the core goes on as if they were gone.
    failed: BTreeSet<(PoolUid, FileKind)>,
}

/// The core waits no longer for a file.
pub(super) const GIVEN_UP_AFTER: Duration = Duration::from_secs(5);

impl Oracle for Files {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Completed { effect, result } = input
            && let Some((pool, file, _)) = self.removals.remove(effect)
        {
            if let Completion::FileDone(Err(_)) = result {
                self.failed.insert((pool, file));
            } else {
                self.failed.remove(&(pool, file));
            }
        }
        if let Input::Resume(_) = input {
            // What was given up stays so; the rest is asked for again.
            let removals = std::mem::take(&mut self.removals).into_values();
            let given_up = removals.filter(|(.., since)| before.now.since(*since) >= GIVEN_UP_AFTER);
            self.failed.extend(given_up.map(|(pool, file, _)| (pool, file)));
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::RemoveFile { id, engine, file } = effect {
            self.removals.insert(*id, (engine.pool, *file, observed.now));
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        match pool.phase {
            PhaseName::Stopped | PhaseName::Staging | PhaseName::Waiting => {}
            PhaseName::Starting
            | PhaseName::Ready
            | PhaseName::Draining
            | PhaseName::Stopping
            | PhaseName::Ended
            | PhaseName::Held => return Ok(()),
        }
        let found = [FileKind::Pid, FileKind::Handoff].into_iter().find(|kind| {
            observed.disk.file(pool.uid, *kind).is_some() && !self.is_given_up(pool.uid, *kind, observed.now)
        });
        hold(found.is_none(), "W03: no file outlives its engine", || {
            format!("pool {} is {} and has {found:?}", pool.name, pool.phase.label())
        })
    }
}

impl Files {
    fn is_given_up(&self, pool: PoolUid, kind: FileKind, now: Time) -> bool {
        self.failed.contains(&(pool, kind))
            || self.removals.values().any(|(uid, file, since)| {
                (*uid, *file) == (pool, kind) && now.since(*since) >= GIVEN_UP_AFTER
            })
    }
}
