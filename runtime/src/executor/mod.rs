//! Carries out what the core asks for. One file per kind of effect; none of them decides anything.

pub mod engines;
pub mod evidence;
pub mod files;
pub mod live_log;
pub mod local;
mod log_class;
mod log_lines;
pub mod probe;
pub mod release;
pub mod signal;
pub mod spawn;
pub mod stage;

use pool_manager_core::{Completion, EffectId, EngineRef, ExitStatus, Input, LogEvidence};
use tokio::sync::mpsc::UnboundedSender;

/// Where executors send their results: the driver's queue.
#[derive(Clone, Debug)]
pub struct Completions(UnboundedSender<Input>);

impl Completions {
    /// Results go to this queue.
    #[must_use]
    pub const fn new(queue: UnboundedSender<Input>) -> Self {
        Self(queue)
    }

    /// Reports the end of an effect. When the driver is gone nobody waits for it any more.
    pub fn completed(&self, effect: EffectId, result: Completion) {
        let _ = self.0.send(Input::Completed { effect, result });
    }

    /// Reports the end of an engine.
    pub fn exited(&self, engine: EngineRef, status: ExitStatus) {
        let _ = self.0.send(Input::Exited { engine, status });
    }

    /// Reports that a staging moves.
    pub fn stage_progress(&self, effect: EffectId) {
        let _ = self.0.send(Input::StageProgress { effect });
    }

    /// Reports a line of a live engine's log.
    pub fn log_line(&self, engine: EngineRef, LogEvidence { class, offset }: LogEvidence) {
        let _ = self.0.send(Input::LogLine { engine, class, offset });
    }
}
