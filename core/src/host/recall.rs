//! A host made of Facts, for a version that cannot read the State of the one before, and the Facts of a host.
//! The promises such a host keeps are listed in `journal::facts`.

use alloc::vec::Vec;

use crate::host::Host;
use crate::id::PoolUid;
use crate::journal::{FACTS_VERSION, Facts, FactsUpdate, HostFacts, PoolFacts};
use crate::pool::Pool;
use crate::spec::HostConfig;
use crate::time::Time;

impl Host {
    /// What every later version must still know.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let pools = self.pools.values().map(Pool::facts).collect();
        Facts { facts_version: FACTS_VERSION, host: self.host_facts(), pools }
    }

    /// What changed with one pool: its Facts, or that it was forgotten.
    #[must_use]
    pub fn facts_update(&self, uid: PoolUid) -> FactsUpdate {
        let pool = self.pools.get(&uid).map(Pool::facts);
        let forgotten = if pool.is_none() { Some(uid.0) } else { None };
        FactsUpdate { facts_version: FACTS_VERSION, host: self.host_facts(), pool, forgotten }
    }

    /// A host that knows what the Facts say. Its first input is [`Input::Resume`](crate::Input::Resume).
    ///
    /// Pools whose names are none, or that share a name or a port with one before them, are left out: Facts of
    /// two hosts were mixed.
    #[must_use]
    pub fn from_facts(config: HostConfig, facts: &Facts, now: Time) -> Self {
        let mut host = Self::new(config, facts.host.seed, now);
        host.books.operations_issued = facts.host.operations_issued;
        host.books.limiter.recall(facts.host.limiter_restarts_nanos.iter().copied().map(Time::from_nanos));
        for known in &facts.pools {
            host.recall_pool(known, now);
        }
        let highest = host.pools.keys().map(|uid| uid.0).max().unwrap_or(0);
        host.registered = facts.host.registered.max(highest);
        host
    }

    fn recall_pool(&mut self, known: &PoolFacts, now: Time) {
        let Some(pool) = Pool::recall(known, now) else { return };
        let port_taken =
            pool.port().is_some() && self.pools.values().any(|other| other.port() == pool.port());
        if self.names.contains_key(pool.name()) || port_taken {
            return;
        }
        let uid = PoolUid(known.uid);
        self.names.insert(pool.name().clone(), uid);
        self.pools.insert(uid, pool);
    }

    fn host_facts(&self) -> HostFacts {
        HostFacts {
            now_nanos: self.now.as_nanos(),
            epoch: self.config.epoch,
            seed: self.seed,
            registered: self.registered,
            operations_issued: self.books.operations_issued,
            shutting_down: self.closing.is_some(),
            limiter_restarts_nanos: self.books.limiter.restarts().map(Time::as_nanos).collect::<Vec<_>>(),
        }
    }
}
