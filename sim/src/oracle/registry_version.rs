//! S04: the registry's version never falls, and rises with what watchers are promised to be told of: phase,
//! health, spec, draining and circuits. Whoever resumes a stream of events from a version misses nothing.

use std::collections::BTreeMap;

use pool_manager_core::{CircuitState, Health, Input, PhaseName, PoolUid, PoolView, SpecHash, Time};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct RegistryVersion {
    last: u64,
    /// What a pool showed when it was looked at last, and the version then.
    shown: BTreeMap<PoolUid, (Shown, u64)>,
}

/// What versions rise on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    phase: PhaseName,
    health: Health,
    drain_deadline: Option<Time>,
    spec: SpecHash,
    circuits: [CircuitState; 2],
}

impl Oracle for RegistryVersion {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Resume(_) = input {
            // Versions are counted anew in every epoch.
            *self = Self::default();
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let version = observed.view.version();
        let shown = Shown {
            phase: pool.phase,
            health: pool.health,
            drain_deadline: pool.drain_deadline,
            spec: pool.spec.hash,
            circuits: pool.circuits.map(|circuit| circuit.state),
        };
        let before = self.shown.insert(pool.uid, (shown, version));
        let holds = before.is_none_or(|(known, then)| known == shown || version > then);
        hold(holds, "S04: the version rises with what the registry shows", || {
            format!("pool {} shows {shown:?} at version {version}, after {before:?}", pool.name)
        })
    }

    fn step(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
        let (last, version) = (self.last, observed.view.version());
        self.last = version;
        hold(version >= last, "S04: the version never falls", || format!("from {last} to {version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn a_change_that_no_version_tells_is_found() {
        let forged = Forged::new();
        let mut oracle = RegistryVersion::default();
        let pool = forged.pool();
        oracle.pool(&pool, forged.observed()).expect("the first look");
        oracle.pool(&pool, forged.observed()).expect("nothing changed");
        let changed = PoolView { phase: PhaseName::Ready, ..pool };
        assert!(oracle.pool(&changed, forged.observed()).is_err());
    }
}
