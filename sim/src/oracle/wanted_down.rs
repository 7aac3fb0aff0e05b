//! S17: what is wanted down is not spawned; S34: neither is anything once the supervisor goes down.

use pool_manager_core::{Effect, Wanted};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct WantedDown;

impl Oracle for WantedDown {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, .. } = effect else { return Ok(()) };
        let wanted = observed.view.pool(engine.pool).map(|pool| pool.wanted);
        hold(wanted == Some(Wanted::Up), "S17: what is wanted down is not spawned", || {
            format!("{engine} is spawned, wanted {wanted:?}")
        })?;
        hold(!observed.view.is_closing(), "S34: nothing is spawned during a shutdown", || format!("{engine}"))
    }
}
