//! The host's ledger of GPUs that no engine may be started on: those of an engine that outlived KILL. Its memory
//! and its context are still there; another engine would fail on them, or hang as well.
//!
//! Pools put their devices in and take them out; who was held for one is told by the host. Devices are compared
//! as the operator wrote them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::id::PoolUid;

/// Which pool's stuck engine holds which devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quarantine {
    held: BTreeMap<PoolUid, Vec<String>>,
    /// Devices came free since whoever waits for them was told.
    healed: bool,
}

impl Quarantine {
    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint) {
        let Self { held, healed } = self;
        to.add(&held.len());
        for (pool, devices) in held {
            to.pool(*pool);
            to.add(devices);
        }
        to.add(healed);
    }

    pub(crate) fn put(&mut self, pool: PoolUid, devices: &[String]) {
        if !devices.is_empty() {
            self.held.insert(pool, devices.into());
        }
    }

    /// The pool's engine is gone after all.
    pub(crate) fn heal(&mut self, pool: PoolUid) {
        self.healed |= self.held.remove(&pool).is_some();
    }

    /// Whether an engine of another pool holds one of these.
    pub(crate) fn holds_any(&self, of: PoolUid, devices: &[String]) -> bool {
        let others = self.held.iter().filter(|(pool, _)| **pool != of);
        others.flat_map(|(_, held)| held).any(|held| devices.contains(held))
    }

    /// Whether devices came free since the last call.
    pub(crate) const fn take_healed(&mut self) -> bool {
        core::mem::replace(&mut self.healed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| String::from(*name)).collect()
    }

    #[test]
    fn a_device_is_held_for_others_until_it_is_healed() {
        let mut quarantine = Quarantine::default();
        quarantine.put(PoolUid(1), &devices(&["0", "1"]));
        assert!(quarantine.holds_any(PoolUid(2), &devices(&["1", "2"])));
        assert!(!quarantine.holds_any(PoolUid(2), &devices(&["2"])), "another device");
        assert!(
            !quarantine.holds_any(PoolUid(1), &devices(&["0"])),
            "its own pool waits for the exit itself"
        );
        assert!(!quarantine.take_healed());
        quarantine.heal(PoolUid(1));
        assert!(quarantine.take_healed() && !quarantine.take_healed(), "told once");
        assert!(!quarantine.holds_any(PoolUid(2), &devices(&["0"])));
    }
}
