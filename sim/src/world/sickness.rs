//! What may be wrong with the disk of a simulated host: its journal, its files, its models. Every sickness ends by
//! itself, or when the world is calm.

use std::time::Duration;

use pool_manager_core::{FileKind, Input, ModelStamp, PoolUid, SpecHash, Verb};

use super::World;
use super::timers::Clock;
use crate::disk::FileTrouble;
use crate::staging::StageTrouble;

impl World {
    /// No write of the journal succeeds for so long: the supervisor goes on from memory, and refuses commands
    /// whose answers promise what must be written down.
    pub fn fail_journal(&mut self, lasts: Duration) {
        let until = self.now + lasts;
        if let Some(journal) = &mut self.journal {
            journal.fail_until(until);
        }
    }

    /// A sync of the journal fails: what of the segment is on disk nobody knows.
    pub fn fail_journal_sync(&mut self) {
        if self.is_down() {
            return;
        }
        if let Some(journal) = &mut self.journal {
            journal.condemn(&self.host);
        }
    }

    /// Every sync of the journal takes so long, for a while.
    pub fn slow_journal_sync(&mut self, takes: Duration, lasts: Duration) {
        let until = self.now + lasts;
        if let Some(journal) = &mut self.journal {
            journal.slow_until(takes, until);
        }
    }

    /// A bit of the journal flips, so many thousandths into its last segment. Nothing happens where the supervisor is
    /// dead, or about to die: one such damage at a time is what a journal must survive.
    pub fn corrupt_journal(&mut self, thousandths: u32, bit: u8) {
        if self.is_down() || self.armed.is_some() {
            return;
        }
        if let Some(journal) = &mut self.journal {
            journal.corrupt(thousandths, bit);
        }
    }

    /// Something is wrong with a file of a pool, for a while.
    pub fn trouble_file(&mut self, pool: PoolUid, file: FileKind, trouble: FileTrouble, lasts: Duration) {
        self.disk.set_trouble(pool, file, trouble, self.now + lasts);
    }

    /// Something is wrong with whatever a pool stages, for a while.
    pub fn trouble_staging(&mut self, pool: PoolUid, trouble: StageTrouble, lasts: Duration) {
        self.staging.set_trouble(pool, trouble, self.now + lasts);
    }

    /// Somebody puts another model into the place of a pool's.
    pub fn change_model(&mut self, pool: PoolUid, stamp: ModelStamp) {
        let spec: Option<SpecHash> = self.host.view().pool(pool).map(|pool| pool.spec.hash);
        if let Some(spec) = spec {
            self.staging.change(spec, stamp);
        }
    }

    /// Nothing is wrong any more.
    pub(super) fn heal(&mut self) {
        self.clock = Clock::default();
        self.heal_adapters();
        self.armed = None;
        self.disk.heal();
        self.staging.heal();
        if let Some(journal) = &mut self.journal {
            journal.heal();
        }
    }

    /// What time and the disk call for before an input is written.
    pub(super) fn tend_journal(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        if let Err(reason) = journal.tend(self.now, &self.host) {
            self.fail(&reason);
        }
    }

    /// Whether the driver refuses an input by itself, because it cannot write down what the answer would promise.
    /// Of a command that it lets pass, it knows that the answer waits for the disk.
    pub(super) fn is_refused(&mut self, input: &Input) -> bool {
        let command = match input {
            Input::Command { command, verb, .. } if is_promise(verb) => command,
            Input::Register { command, .. } => command,
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
            | Input::Resume(_)
            | Input::Shutdown { .. }
            | Input::StageProgress { .. }
            | Input::Stalled
            | Input::Timer => return false,
        };
        let Some(journal) = &self.journal else { return false };
        if journal.fails_until(self.now).is_some() {
            return true;
        }
        self.durable.insert(*command);
        false
    }
}

/// Whether a command changes what is wanted of a pool, or its spec.
const fn is_promise(verb: &Verb) -> bool {
    match verb {
        Verb::Deregister
        | Verb::Drain { .. }
        | Verb::Preload
        | Verb::Reload(_)
        | Verb::Restart
        | Verb::Stop
        | Verb::Undrain => true,
        Verb::AllowRestart | Verb::ResetBreaker => false,
    }
}
