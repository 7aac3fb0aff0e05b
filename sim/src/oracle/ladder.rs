//! S12: KILL comes only after TERM and its grace. A second request to end kills at once, and so is killed what is
//! no pool's engine: a spawn that was given up and succeeded after all.

use std::collections::BTreeSet;

use pool_manager_core::{Effect, EngineRef, Input, PhaseName, PoolView, Signal};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct KillAfterTerm {
    shutdowns: u32,
    /// What a second request to end was killing when the supervisor died: the KILL may not have been sent.
    doomed: BTreeSet<EngineRef>,
}

impl Oracle for KillAfterTerm {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        match input {
            Input::Shutdown { .. } => self.shutdowns += 1,
            Input::Resume(_) => {
                if std::mem::take(&mut self.shutdowns) > 1 {
                    self.doomed.extend(before.view.pools().filter_map(|pool| stopping(&pool)));
                }
            }
            Input::Command { .. }
            | Input::Completed { .. }
            | Input::Exited { .. }
            | Input::Gap { .. }
            | Input::GpuFault { .. }
            | Input::LeaseAsk { .. }
            | Input::LeaseEnd { .. }
            | Input::LeaseRenew { .. }
            | Input::LeaseWithdraw { .. }
            | Input::LogLine { .. }
            | Input::Register { .. }
            | Input::StageProgress { .. }
            | Input::Stalled
            | Input::Timer => {}
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Signal { engine, signal: Signal::KillTree } = effect else { return Ok(()) };
        let Some(pool) = observed.view.pool(engine.pool) else { return Ok(()) };
        let is_current = pool.engine.is_some_and(|current| current.incarnation == engine.incarnation);
        let forced = self.shutdowns > 1 || self.doomed.remove(engine);
        let grace = pool.policy.stop.grace.min(pool.policy.drain.force_grace);
        let process = observed.processes.of(*engine);
        let termed = process.and_then(|process| {
            process.signals.iter().find(|(_, signal)| *signal == Signal::Graceful).map(|(at, _)| *at)
        });
        let waited = termed.is_some_and(|at| observed.now.since(at) >= grace) || grace.is_zero();
        // A start of the supervisor repeats the last signal: it may not have been sent.
        let again = process.is_some_and(|process| process.got(Signal::KillTree));
        hold(!is_current || forced || waited || again, "S12: KILL comes after TERM and its grace", || {
            format!("{engine} is killed; TERM came at {termed:?}")
        })
    }
}

fn stopping(pool: &PoolView<'_>) -> Option<EngineRef> {
    let engine = pool.engine.filter(|_| pool.phase == PhaseName::Stopping)?;
    Some(EngineRef { pool: pool.uid, incarnation: engine.incarnation })
}
