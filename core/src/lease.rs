//! Leases: who is using an engine. The book of one pool's active leases and waiting asks, and the
//! host's memory of the leases that did not complete.
//!
//! The pool decides whether a lease may be granted; the book counts. A lease ends in exactly one
//! way, so granted = completed + expired + cut + lost + active, always.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::id::{CommandId, Correlation, EngineRef, Holder, Incarnation, LeaseId, PoolUid};
use crate::input::Priority;
use crate::journal::{ActiveLeaseFacts, LeaseFacts};
use crate::time::Time;
use crate::view::LeaseView;

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseEnding {
    /// By us: the drain's deadline, a stop.
    Cut,
    /// Its time to live passed.
    Expired,
    /// The engine went away under it.
    Lost,
    /// Its holder said that the work is done.
    Completed,
}

impl LeaseEnding {
    /// A short stable word for labels and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cut => "cut",
            Self::Expired => "expired",
            Self::Lost => "lost",
        }
    }
}

/// Leases since the pool was registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTotals {
    /// All that were granted.
    pub granted: u64,
    /// Ended by their holders.
    pub completed: u64,
    /// Ended by their time to live.
    pub expired: u64,
    /// Ended by us.
    pub cut: u64,
    /// Gone with their engine.
    pub lost: u64,
}

/// An ask that waits for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) command: CommandId,
    pub(crate) correlation: Correlation,
    pub(crate) holder: Holder,
    pub(crate) priority: Priority,
    /// `None`: the pool's default when it is granted.
    pub(crate) ttl: Option<core::time::Duration>,
    /// When it is refused.
    pub(crate) until: Time,
}

/// One pool's leases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseBook {
    active: BTreeMap<u64, Lease>,
    by_expiry: BTreeSet<(Time, u64)>,
    interactive: VecDeque<Ask>,
    batch: VecDeque<Ask>,
    /// Grants from the queue since the last batch one.
    since_batch: u8,
    totals: LeaseTotals,
    /// The highest sequence given out. Above the total of grants where a restart of the supervisor left some of
    /// them unknown.
    issued: u64,
    /// Work that moved: leases completed or renewed. A probe's time-out looks at it.
    progress: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    incarnation: Incarnation,
    holder: Holder,
    priority: Priority,
    granted: Time,
    /// [`Time::NEVER`]: when the incarnation ends.
    expires: Time,
}

/// A start of the supervisor gives out no more numbers than this.
const NUMBERS_A_START: u64 = 1_000_000_000;

/// Every this many grants from the queue, the oldest batch ask goes first.
const BATCH_TURN: u8 = 8;

impl LeaseBook {
    /// Grants a lease on the given engine and returns its id.
    pub(crate) fn grant(
        &mut self,
        engine: EngineRef,
        holder: Holder,
        priority: Priority,
        granted: Time,
        expires: Time,
    ) -> LeaseId {
        self.totals.granted += 1;
        self.issued += 1;
        let sequence = self.issued;
        let incarnation = engine.incarnation;
        self.active.insert(sequence, Lease { incarnation, holder, priority, granted, expires });
        if expires != Time::NEVER {
            self.by_expiry.insert((expires, sequence));
        }
        LeaseId { engine, sequence }
    }

    /// The supervisor was started again, and may not know of the last grants of the one before: their numbers must
    /// not be given out to others while their holders work on. So every start has numbers of its own.
    pub(crate) fn skip_unknown(&mut self, epoch: u32) {
        self.issued = self.issued.max(u64::from(epoch) * NUMBERS_A_START);
    }

    /// Ends an active lease. `false`: it is not active.
    pub(crate) fn end(&mut self, id: LeaseId, how: LeaseEnding) -> bool {
        let known = self.active.get(&id.sequence).copied();
        let Some(lease) = known.filter(|lease| lease.incarnation == id.engine.incarnation) else {
            return false;
        };
        self.active.remove(&id.sequence);
        self.by_expiry.remove(&(lease.expires, id.sequence));
        self.count(how);
        true
    }

    /// Gives an active lease another end. `false`: it is not active.
    pub(crate) fn renew(&mut self, id: LeaseId, expires: Time) -> bool {
        let Some(lease) = self.active.get_mut(&id.sequence) else { return false };
        if lease.incarnation != id.engine.incarnation {
            return false;
        }
        self.by_expiry.remove(&(lease.expires, id.sequence));
        lease.expires = expires;
        if expires != Time::NEVER {
            self.by_expiry.insert((expires, id.sequence));
        }
        self.progress += 1;
        true
    }

    /// Lets no lease expire before `at`.
    pub(crate) fn hold_off_expiry(&mut self, at: Time) {
        while let Some((expires, sequence)) = self.by_expiry.first().copied() {
            if expires >= at {
                return;
            }
            self.by_expiry.pop_first();
            self.by_expiry.insert((at, sequence));
            if let Some(lease) = self.active.get_mut(&sequence) {
                lease.expires = at;
            }
        }
    }

    /// Ends the earliest lease whose time has come.
    pub(crate) fn expire_one(&mut self, pool: PoolUid, now: Time) -> Option<LeaseId> {
        let (at, sequence) = self.by_expiry.first().copied()?;
        if at > now {
            return None;
        }
        self.by_expiry.pop_first();
        let lease = self.active.remove(&sequence)?;
        self.count(LeaseEnding::Expired);
        Some(LeaseId { engine: EngineRef { pool, incarnation: lease.incarnation }, sequence })
    }

    /// Ends every active lease the same way, oldest first.
    pub(crate) fn end_all(&mut self, pool: PoolUid, how: LeaseEnding) -> Vec<LeaseId> {
        self.by_expiry.clear();
        let ended = core::mem::take(&mut self.active);
        ended
            .into_iter()
            .map(|(sequence, lease)| {
                self.count(how);
                LeaseId { engine: EngineRef { pool, incarnation: lease.incarnation }, sequence }
            })
            .collect()
    }

    /// What every later version must still know.
    pub(crate) fn facts(&self) -> LeaseFacts {
        let LeaseTotals { granted, completed, expired, cut, lost } = self.totals;
        let active = self.active.iter().map(|(sequence, lease)| ActiveLeaseFacts {
            sequence: *sequence,
            incarnation: lease.incarnation.into(),
            holder: lease.holder.0,
            priority: Some(lease.priority),
            granted_nanos: lease.granted.as_nanos(),
            expires_nanos: Some(lease.expires).filter(|at| *at != Time::NEVER).map(Time::as_nanos),
        });
        let queued = u64::from(self.queued());
        let (issued, asked_since, active) = (self.issued, 0, active.collect());
        LeaseFacts { granted, completed, expired, cut, lost, issued, queued, asked_since, active }
    }

    /// The leases that are known. Sequences of those that are not are skipped.
    pub(crate) fn recall(facts: &LeaseFacts) -> Self {
        let LeaseFacts { completed, expired, cut, lost, .. } = *facts;
        let mut book = Self { issued: facts.sequence_high_water(), ..Self::default() };
        for known in &facts.active {
            let expires = known.expires_nanos.map_or(Time::NEVER, Time::from_nanos);
            let lease = Lease {
                incarnation: known.incarnation.into(),
                holder: Holder(known.holder),
                priority: known.priority.unwrap_or(Priority::Interactive),
                granted: Time::from_nanos(known.granted_nanos),
                expires,
            };
            book.active.insert(known.sequence, lease);
            if expires != Time::NEVER {
                book.by_expiry.insert((expires, known.sequence));
            }
        }
        let granted = completed + expired + cut + lost + u64::from(book.active());
        book.totals = LeaseTotals { granted, completed, expired, cut, lost };
        book
    }

    /// Whether a lease with this number was ever granted.
    pub(crate) const fn was_granted(&self, sequence: u64) -> bool {
        sequence >= 1 && sequence <= self.issued
    }

    pub(crate) fn active(&self) -> u32 {
        u32::try_from(self.active.len()).unwrap_or(u32::MAX)
    }

    pub(crate) const fn totals(&self) -> LeaseTotals {
        self.totals
    }

    pub(crate) const fn progress(&self) -> u64 {
        self.progress
    }

    /// When the earliest lease expires.
    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    pub(crate) fn iter(&self, pool: PoolUid) -> impl Iterator<Item = LeaseView> + '_ {
        self.active.iter().map(move |(sequence, lease)| LeaseView {
            id: LeaseId { engine: EngineRef { pool, incarnation: lease.incarnation }, sequence: *sequence },
            holder: lease.holder,
            priority: lease.priority,
            granted: lease.granted,
            expires: Some(lease.expires).filter(|at| *at != Time::NEVER),
        })
    }

    pub(crate) fn enqueue(&mut self, ask: Ask) {
        match ask.priority {
            Priority::Batch => self.batch.push_back(ask),
            Priority::Interactive => self.interactive.push_back(ask),
        }
    }

    /// The ask whose turn it is: interactive first, every eighth grant to the oldest batch ask.
    pub(crate) fn next_ask(&mut self) -> Option<Ask> {
        let batch_turn = self.interactive.is_empty() || self.since_batch + 1 >= BATCH_TURN;
        if batch_turn && let Some(ask) = self.batch.pop_front() {
            self.since_batch = 0;
            return Some(ask);
        }
        let ask = self.interactive.pop_front()?;
        self.since_batch = self.since_batch.saturating_add(1).min(BATCH_TURN);
        Some(ask)
    }

    /// Takes one ask back.
    pub(crate) fn withdraw(&mut self, command: CommandId) -> Option<Ask> {
        let take = |queue: &mut VecDeque<Ask>| {
            let place = queue.iter().position(|ask| ask.command == command)?;
            queue.remove(place)
        };
        take(&mut self.interactive).or_else(|| take(&mut self.batch))
    }

    /// Takes the oldest ask that has waited long enough.
    pub(crate) fn give_up_one(&mut self, now: Time) -> Option<Ask> {
        let due = |queue: &VecDeque<Ask>| queue.front().is_some_and(|ask| ask.until <= now);
        if due(&self.interactive) {
            return self.interactive.pop_front();
        }
        if due(&self.batch) { self.batch.pop_front() } else { None }
    }

    /// Empties the queue, interactive asks first.
    pub(crate) fn give_up_all(&mut self) -> Vec<Ask> {
        self.interactive.drain(..).chain(self.batch.drain(..)).collect()
    }

    pub(crate) fn queued(&self) -> u32 {
        u32::try_from(self.interactive.len() + self.batch.len()).unwrap_or(u32::MAX)
    }

    /// When the oldest ask is refused.
    pub(crate) fn next_give_up(&self) -> Option<Time> {
        let fronts = [self.interactive.front(), self.batch.front()];
        fronts.into_iter().flatten().map(|ask| ask.until).min()
    }

    pub(crate) fn write_fingerprint(&self, to: &mut Fingerprint, pool: PoolUid) {
        let Self { active, by_expiry: _, interactive, batch, since_batch, totals: _, issued: _, progress: _ } =
            self;
        to.add(&active.len());
        for (sequence, lease) in active {
            let Lease { incarnation, holder: _, priority: _, granted: _, expires } = lease;
            let engine = EngineRef { pool, incarnation: *incarnation };
            to.engine(engine);
            to.lease(LeaseId { engine, sequence: *sequence });
            to.deadline(*expires);
        }
        for queue in [interactive, batch] {
            to.add(&queue.len());
            for Ask { command, correlation: _, holder: _, priority: _, ttl, until } in queue {
                to.command(*command);
                to.add(ttl);
                to.deadline(*until);
            }
        }
        to.add(since_batch);
    }

    fn count(&mut self, how: LeaseEnding) {
        let total = match how {
            LeaseEnding::Completed => {
                self.progress += 1;
                &mut self.totals.completed
            }
            LeaseEnding::Cut => &mut self.totals.cut,
            LeaseEnding::Expired => &mut self.totals.expired,
            LeaseEnding::Lost => &mut self.totals.lost,
        };
        *total += 1;
        let LeaseTotals { granted, completed, expired, cut, lost } = self.totals;
        let active = self.active.len() as u64;
        // end_all empties the map before it counts, so the sum may only be short by what is left.
        debug_assert!(
            granted >= completed + expired + cut + lost + active,
            "S25: leases granted = completed + expired + cut + lost + active"
        );
    }
}

/// How the last leases that did not complete ended; one ring for the whole host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endings {
    kept: VecDeque<(LeaseId, LeaseEnding)>,
}

impl Endings {
    const KEPT: usize = 1024;

    pub(crate) fn keep(&mut self, lease: LeaseId, how: LeaseEnding) {
        if self.kept.len() == Self::KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((lease, how));
    }

    pub(crate) fn find(&self, lease: LeaseId) -> Option<LeaseEnding> {
        self.kept.iter().rev().find(|(id, _)| *id == lease).map(|(_, how)| *how)
    }
}
