//! Lease holders and their own books: what they were granted, what they ended, what they were told.
//!
//! The books are kept from replies and events alone, never from the core's state, so that the conservation
//! oracle compares two independent counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pool_manager_core::{Answer, CommandId, LeaseEnding, LeaseId, LeaseTotals, PoolUid};

use crate::random::Span;

/// What clients of one pool do by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Between two asks.
    pub every: Span,
    /// From grant to end.
    pub work: Span,
    /// Once in so many grants the holder never ends its lease; 0: never.
    pub forgets_one_in: u32,
    /// Once in so many grants the holder renews half-way; 0: never.
    pub renews_one_in: u32,
    /// Once in so many asks the caller goes away before the answer; 0: never.
    pub withdraws_one_in: u32,
    /// What they ask for; `None`: the pool's default.
    pub ttl: Option<Duration>,
}

/// The books of one pool's clients.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Granted, not ended by the holder, and not told to be over.
    pub active: BTreeSet<LeaseId>,
    /// All that were granted.
    pub granted: u64,
    /// Ended by their holders, and answered so.
    pub completed: u64,
    /// Told to be over, by how.
    pub told: BTreeMap<LeaseEnding, u64>,
}

/// All clients of a run.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    books: BTreeMap<PoolUid, Book>,
    /// Asks and ends that were sent and not answered.
    open: BTreeMap<CommandId, Request>,
    /// Every lease that anybody ever heard of.
    heard_of: BTreeSet<LeaseId>,
}

/// How long a holder keeps what it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// As the pool's traffic says.
    AsTraffic,
    /// So long; then it ends its lease.
    For(Duration),
    /// It never ends its lease.
    Forgets,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    Ask { pool: PoolUid, stays: Stay },
    End { lease: LeaseId },
    Renew,
}

impl Clients {
    /// The books of one pool's clients.
    #[must_use]
    pub fn book(&self, pool: PoolUid) -> Option<&Book> {
        self.books.get(&pool)
    }

    /// Asks of one pool that wait for their answer.
    #[must_use]
    pub fn waiting(&self, pool: PoolUid) -> usize {
        self.open
            .values()
            .filter(|request| matches!(request, Request::Ask { pool: of, .. } if *of == pool))
            .count()
    }

    pub(crate) fn sent(&mut self, command: CommandId, request: Request) {
        self.open.insert(command, request);
    }

    /// Takes a reply; returns the lease it granted, and for how long its holder keeps it.
    pub(crate) fn answered(&mut self, command: CommandId, answer: &Answer) -> Option<(LeaseId, Stay)> {
        match (self.open.remove(&command)?, answer) {
            (Request::Ask { pool, stays }, Answer::Granted { lease, .. }) => {
                let book = self.books.entry(pool).or_default();
                book.granted += 1;
                book.active.insert(*lease);
                Some((*lease, stays))
            }
            (Request::End { lease }, Answer::LeaseEnded) => {
                let book = self.books.entry(lease.engine.pool).or_default();
                book.completed += 1;
                book.active.remove(&lease);
                None
            }
            (Request::Ask { .. } | Request::End { .. } | Request::Renew, _) => None,
        }
    }

    /// Somebody hears of a lease; whether nobody ever heard of it before.
    pub(crate) fn knows_new(&mut self, lease: LeaseId) -> bool {
        self.heard_of.insert(lease)
    }

    /// A supervisor that lost some of its memory knows no more than this, and will count on from here.
    pub(crate) fn know_only(&mut self, pool: PoolUid, totals: LeaseTotals, active: BTreeSet<LeaseId>) {
        let LeaseTotals { granted, completed, expired, cut, lost } = totals;
        let told = [(LeaseEnding::Expired, expired), (LeaseEnding::Cut, cut), (LeaseEnding::Lost, lost)];
        self.books.insert(pool, Book { active, granted, completed, told: told.into() });
    }

    /// A supervisor that lost some of its memory may give the number of a pool it forgot to another one.
    pub(crate) fn forget_pools(&mut self, forgot: impl Fn(PoolUid) -> bool) {
        self.books.retain(|pool, _| !forgot(*pool));
    }

    /// A holder is told that its lease is over.
    pub(crate) fn told(&mut self, lease: LeaseId, how: LeaseEnding) {
        let book = self.books.entry(lease.engine.pool).or_default();
        book.active.remove(&lease);
        *book.told.entry(how).or_default() += 1;
    }
}
