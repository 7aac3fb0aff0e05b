//! A host as readers see it.

use crate::host::Host;
use crate::id::{EffectId, OperationId, PoolName, PoolUid};
use crate::operation::Operation;
use crate::pool::Pool;
use crate::time::Time;
use crate::view::{LeaseView, PoolView};

/// What readers see of a host: borrowed, consistent, in name order.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) host: &'a Host,
}

impl<'a> View<'a> {
    /// Every pool, by name.
    pub fn pools(self) -> impl Iterator<Item = PoolView<'a>> {
        self.host.names.values().filter_map(move |uid| self.pool(*uid))
    }

    /// One pool.
    #[must_use]
    pub fn pool(self, uid: PoolUid) -> Option<PoolView<'a>> {
        self.host.pools.get(&uid).map(|pool| pool.view(self.host.now))
    }

    /// What a name stands for.
    #[must_use]
    pub fn uid_of(self, name: &str) -> Option<PoolUid> {
        let name = PoolName::new(name).ok()?;
        self.host.names.get(&name).copied()
    }

    /// The active leases of a pool, oldest first.
    pub fn leases(self, uid: PoolUid) -> impl Iterator<Item = LeaseView> + 'a {
        self.host.pools.get(&uid).into_iter().flat_map(Pool::lease_views)
    }

    /// An operation that runs, or one of the last 1000 that ended.
    #[must_use]
    pub fn operation(self, id: OperationId) -> Option<&'a Operation> {
        let running = self.host.pools.values().filter_map(Pool::operation).find(|op| op.id == id);
        running.or_else(|| self.host.books.outcomes.find(id))
    }

    /// The automatic restarts of all pools that the start limiter counts, oldest first.
    pub fn limiter_restarts(self) -> impl Iterator<Item = Time> + 'a {
        self.host.books.limiter.restarts()
    }

    /// Whether somebody waits for this effect's answer; one that nobody waits for is stale and changes nothing.
    #[must_use]
    pub fn awaits(self, effect: EffectId) -> bool {
        let pool = self.host.pools.get(&effect.pool);
        pool.is_some_and(|pool| pool.awaits(effect.sequence))
            || self.host.orphaned_spawns.contains_key(&effect)
    }

    /// Rises on phase, health, spec, gate and draining; not on lease counts.
    #[must_use]
    pub const fn version(self) -> u64 {
        self.host.version
    }

    /// Whether the supervisor is going down.
    #[must_use]
    pub const fn is_closing(self) -> bool {
        self.host.closing.is_some()
    }

    /// This start of the supervisor.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.host.config.epoch
    }

    /// The time of the last input.
    #[must_use]
    pub const fn now(self) -> Time {
        self.host.now
    }
}
