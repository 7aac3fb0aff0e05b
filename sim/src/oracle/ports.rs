//! S06: no two pools of a host have the same port, whatever was reloaded.

use std::collections::BTreeMap;

use pool_manager_core::{Event, EventKind, Input, PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Ports {
    of: BTreeMap<PoolUid, u16>,
}

impl Oracle for Ports {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            // Who left in the step in which the supervisor died was shown to nobody.
            self.of.retain(|uid, _| before.view.pool(*uid).is_some());
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        if let (EventKind::Deregistered, Some(pool)) = (&event.kind, event.pool) {
            self.of.remove(&pool);
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let Some(port) = pool.spec.port else {
            self.of.remove(&pool.uid);
            return Ok(());
        };
        if self.of.insert(pool.uid, port) == Some(port) {
            return Ok(());
        }
        let other = self.of.iter().find(|(uid, known)| **uid != pool.uid && **known == port);
        hold(other.is_none(), "S06: every pool has a port of its own", || {
            format!("pool {} has port {port}, and so has {other:?}", pool.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn two_pools_on_one_port_are_found() {
        let forged = Forged::new();
        let mut oracle = Ports::default();
        let mut spec = forged.pool().spec.clone();
        spec.port = Some(8001);
        let first = PoolView { spec: &spec, ..forged.pool() };
        let second = PoolView { uid: PoolUid(2), ..first.clone() };
        assert_eq!(oracle.pool(&first, forged.observed()), Ok(()));
        assert!(oracle.pool(&second, forged.observed()).is_err());
    }
}
