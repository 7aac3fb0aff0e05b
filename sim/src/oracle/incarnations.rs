//! S10: incarnations of a pool strictly rise; none is used twice.

use std::collections::BTreeMap;

use pool_manager_core::{Effect, Incarnation, PoolUid};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Incarnations {
    last: BTreeMap<PoolUid, Incarnation>,
}

impl Oracle for Incarnations {
    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Spawn { engine, .. } = effect else { return Ok(()) };
        let before = self.last.insert(engine.pool, engine.incarnation);
        hold(before.is_none_or(|last| last < engine.incarnation), "S10: incarnations rise", || {
            format!("{engine} was spawned after {before:?}")
        })
    }
}
