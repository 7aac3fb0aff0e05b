//! S11: signals go only to processes we made and have not reaped.

use pool_manager_core::Effect;

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Signals;

impl Oracle for Signals {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Signal { engine, signal } = effect else { return Ok(()) };
        let process = observed.processes.of(*engine);
        hold(
            process.is_some_and(|process| process.acknowledged && !process.reaped),
            "S11: signals go only to processes we made and have not reaped",
            || format!("{signal:?} to {engine}: {process:?}"),
        )
    }
}
