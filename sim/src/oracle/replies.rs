//! S35: exactly one reply per command, in the command's own step; only a lease ask may wait, and then it is
//! in the queue.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{CommandId, Effect, Input, PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Replies {
    open: BTreeSet<CommandId>,
    asks: BTreeMap<CommandId, PoolUid>,
    /// Their callers lost their connection when the supervisor died: they may be answered, or not.
    lost: BTreeSet<CommandId>,
}

const NAME: &str = "S35: exactly one reply per command";

impl Oracle for Replies {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        match input {
            Input::LeaseAsk { command, pool, .. } => {
                self.asks.insert(*command, *pool);
            }
            Input::Command { command, .. }
            | Input::LeaseEnd { command, .. }
            | Input::LeaseRenew { command, .. }
            | Input::Register { command, .. } => {
                self.open.insert(*command);
            }
            Input::Resume(_) => {
                self.lost = std::mem::take(&mut self.asks).into_keys().collect();
                self.lost.append(&mut self.open);
            }
            Input::Completed { .. }
            | Input::Exited { .. }
            | Input::Gap { .. }
            | Input::GpuFault { .. }
            | Input::LeaseWithdraw { .. }
            | Input::LogLine { .. }
            | Input::Shutdown { .. }
            | Input::StageProgress { .. }
            | Input::Stalled
            | Input::Timer => {}
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Reply { command, answer } = effect else { return Ok(()) };
        let was_open =
            self.open.remove(command) || self.asks.remove(command).is_some() || self.lost.remove(command);
        hold(was_open, NAME, || format!("{command:?} is answered {answer:?} but waits for nothing"))
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let waiting = self.asks.values().filter(|of| **of == pool.uid).count();
        hold(waiting == pool.leases_queued as usize, NAME, || {
            format!("pool {}: {waiting} asks wait, {} are queued", pool.name, pool.leases_queued)
        })
    }

    fn step(&mut self, _observed: Observed<'_>) -> Result<(), Violation> {
        hold(self.open.is_empty(), NAME, || format!("no reply to {:?}", self.open))
    }
}
