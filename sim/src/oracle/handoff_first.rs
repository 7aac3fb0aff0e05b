//! S02: the handoff file is told to go before the engine is signalled, in the same batch of effects.
//!
//! A write that is still under way is the one exception: its removal must follow its completion, because
//! two actions on one file would race.

use std::collections::BTreeMap;

use pool_manager_core::{Effect, EffectId, FileKind, Input, PoolUid};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct HandoffFirst {
    last: BTreeMap<PoolUid, Last>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Removed,
    Writing(EffectId),
    Written,
}

impl Oracle for HandoffFirst {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            // The driver has removed those of engines that are not ready, or nobody knows.
            self.last.retain(|pool, _| before.disk.file(*pool, FileKind::Handoff).is_some());
        }
        if let Input::Completed { effect, .. } = input
            && let Some(last) = self.last.get_mut(&effect.pool)
            && *last == Last::Writing(*effect)
        {
            *last = Last::Written;
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        match effect {
            Effect::WriteFile { id, file: FileKind::Handoff, .. } => {
                self.last.insert(id.pool, Last::Writing(*id));
            }
            Effect::RemoveFile { id, file: FileKind::Handoff, .. } => {
                self.last.insert(id.pool, Last::Removed);
            }
            Effect::Signal { engine, signal } => {
                // A process that is not the pool's engine any more never had this handoff file.
                let current = observed.view.pool(engine.pool).and_then(|pool| pool.engine);
                let is_current = current.is_some_and(|current| current.incarnation == engine.incarnation);
                let last = self.last.get(&engine.pool);
                let holds = !is_current || last != Some(&Last::Written);
                return hold(holds, "S02: the handoff file goes before any signal", || {
                    format!("engine {engine} gets {signal:?} while its handoff file stands")
                });
            }
            Effect::CancelStage { .. }
            | Effect::CheckRelease { .. }
            | Effect::CollectEvidence { .. }
            | Effect::Exit
            | Effect::Preflight { .. }
            | Effect::Probe { .. }
            | Effect::RemoveFile { .. }
            | Effect::Reply { .. }
            | Effect::Spawn { .. }
            | Effect::Stage { .. }
            | Effect::WriteFile { .. } => {}
        }
        Ok(())
    }
}
