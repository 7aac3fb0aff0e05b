//! S08: a handoff file stands only for the engine that is ready, so that no router sends work to one that is not.
//! This is what a published registry is elsewhere.
//!
//! Not asked while an action on the file is under way, nor after one that failed or was answered later than the
//! core waits: then nobody knows what is on disk.

use std::collections::BTreeMap;

use pool_manager_core::{Effect, EffectId, FileKind, Input, PoolUid, PoolView, Time};

use super::files::GIVEN_UP_AFTER;
use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct HandoffTruth {
    pools: BTreeMap<PoolUid, Actions>,
}

/// What is known of the actions on one handoff file.
#[derive(Debug, Default)]
struct Actions {
    under_way: Vec<(EffectId, Time)>,
    in_doubt: bool,
}

impl Oracle for HandoffTruth {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            for actions in self.pools.values_mut() {
                // Whether they were carried out, nobody knows.
                actions.in_doubt |= !actions.under_way.is_empty();
                actions.under_way.clear();
            }
        }
        let Input::Completed { effect, result } = input else { return Ok(()) };
        let Some(actions) = self.pools.get_mut(&effect.pool) else { return Ok(()) };
        if let Some(place) = actions.under_way.iter().position(|(id, _)| id == effect) {
            let (_, since) = actions.under_way.remove(place);
            let failed = matches!(result, pool_manager_core::Completion::FileDone(Err(_)));
            actions.in_doubt = failed || before.now.since(since) >= GIVEN_UP_AFTER;
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if let Effect::WriteFile { id, file: FileKind::Handoff, .. }
        | Effect::RemoveFile { id, file: FileKind::Handoff, .. } = effect
        {
            self.pools.entry(id.pool).or_default().under_way.push((*id, observed.now));
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        if pool.health.ready {
            return Ok(());
        }
        let known = self.pools.get(&pool.uid);
        if known.is_some_and(|actions| actions.in_doubt || !actions.under_way.is_empty()) {
            return Ok(());
        }
        let file = observed.disk.file(pool.uid, FileKind::Handoff);
        hold(file.is_none(), "S08: a handoff file stands only for a ready engine", || {
            format!("pool {} is {} and hands off {file:?}", pool.name, pool.phase.label())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Content, StoredFile};
    use crate::oracle::forged::{Forged, engine};

    #[test]
    fn a_file_that_hands_off_a_pool_at_rest_is_found() {
        let mut forged = Forged::new();
        let mut oracle = HandoffTruth::default();
        assert_eq!(oracle.pool(&forged.pool(), forged.observed()), Ok(()));
        forged.disk.write(FileKind::Handoff, StoredFile { by: engine(1), content: Content::Pid(1) });
        assert!(oracle.pool(&forged.pool(), forged.observed()).is_err());
    }
}
