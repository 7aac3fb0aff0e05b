//! What the host asks of the world. The driver hands each effect to its executor, in order.
//!
//! An effect with an id gets exactly one [`Input::Completed`](crate::Input::Completed). A signal has none: its result is
//! the exit, and the stop ladder's deadlines cover its absence.

use alloc::boxed::Box;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::id::{CommandId, EffectId, EngineRef, PoolUid};
use crate::spec::SpecHash;

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Staging is not wanted any more: stop it, keep what a later one can go on with. Not answered; the staging
    /// may still be, but nobody waits for it.
    CancelStage {
        /// The staging.
        id: EffectId,
    },
    /// Are the ports and devices of this spec free?
    CheckRelease {
        /// Completed by `Released`.
        id: EffectId,
        /// Whose ports and devices.
        spec: SpecHash,
    },
    /// Find out about an end: follow the log to its end, read the OOM counter. Answer with what is
    /// known when `within` has passed.
    CollectEvidence {
        /// Completed by `Evidence`.
        id: EffectId,
        /// Which engine ended.
        engine: EngineRef,
        /// Longest time to spend.
        within: Duration,
    },
    /// End the supervisor: nothing of it is left to do.
    Exit,
    /// What would staging this spec need? Nothing is changed.
    Preflight {
        /// Completed by `Preflighted`.
        id: EffectId,
        /// The pool it is for.
        pool: PoolUid,
        /// Whose model and devices.
        spec: SpecHash,
    },
    /// Ask the engine's health endpoint.
    Probe {
        /// Completed by `Probed`.
        id: EffectId,
        /// Which engine.
        engine: EngineRef,
        /// What it is part of.
        kind: ProbeKind,
        /// Longest time to wait for the answer.
        timeout: Duration,
    },
    /// Remove a file; done also when it was not there.
    RemoveFile {
        /// Completed by `FileDone`.
        id: EffectId,
        /// Whose file.
        engine: EngineRef,
        /// Which file.
        file: FileKind,
    },
    /// Answer a command.
    Reply {
        /// The command.
        command: CommandId,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Signal an engine.
    Signal {
        /// Which engine.
        engine: EngineRef,
        /// How hard.
        signal: Signal,
    },
    /// Make an engine process.
    Spawn {
        /// Completed by `Spawned`.
        id: EffectId,
        /// The incarnation it becomes.
        engine: EngineRef,
        /// What to execute.
        spec: SpecHash,
    },
    /// Make the model present and verified.
    Stage {
        /// Completed by `Staged`.
        id: EffectId,
        /// The pool it is for.
        pool: PoolUid,
        /// Whose model.
        spec: SpecHash,
    },
    /// Write a file, atomically.
    WriteFile {
        /// Completed by `FileDone`.
        id: EffectId,
        /// Whose file.
        engine: EngineRef,
        /// Which file.
        file: FileKind,
    },
}

impl Effect {
    /// Whose it is; `None`: of no pool in particular.
    #[must_use]
    pub const fn pool(&self) -> Option<PoolUid> {
        match self {
            Self::CancelStage { id }
            | Self::CheckRelease { id, .. }
            | Self::CollectEvidence { id, .. }
            | Self::Preflight { id, .. }
            | Self::Probe { id, .. }
            | Self::RemoveFile { id, .. }
            | Self::Spawn { id, .. }
            | Self::Stage { id, .. }
            | Self::WriteFile { id, .. } => Some(id.pool),
            Self::Signal { engine, .. } => Some(engine.pool),
            Self::Exit | Self::Reply { .. } => None,
        }
    }
}

/// How hard an engine is signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// TERM (followed by CONT) to the process group.
    Graceful,
    /// KILL to the whole tree.
    KillTree,
}

/// What a probe is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// After Ready: is it still healthy?
    Liveness,
    /// Before Ready: is it healthy yet?
    Readiness,
}

/// The files that tell others about an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Where routers find a ready engine.
    Handoff,
    /// The engine's pid; from before the first probe until the engine is gone.
    Pid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    #[test]
    fn what_is_done_for_a_pool_is_the_pools() {
        let pool = PoolUid(3);
        let id = EffectId { pool, sequence: 1 };
        let engine = EngineRef { pool, incarnation: Incarnation { epoch: 1, n: 1 } };
        let signal = Effect::Signal { engine, signal: Signal::Graceful };
        assert_eq!(
            [Effect::CancelStage { id }.pool(), signal.pool(), Effect::Exit.pool()],
            [Some(pool), Some(pool), None]
        );
    }
}
