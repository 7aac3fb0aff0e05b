//! The books of a rehearsal: which state each pool was in, when, and what crashed. Kept by looking on, like an
//! oracle, and never in the way.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use pool_manager_core::{Event, EventKind, PhaseName, PoolUid, PoolView, Time, Wanted};
use serde::Serialize;

use crate::oracle::{Observed, Oracle, Violation};

/// What a pool is to those who want to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Ready, and it grants leases.
    Serving,
    /// An engine is staged, started or loads.
    Loading,
    /// It waits for a backoff, a circuit, a window, other loads, or what its last engine held.
    Waiting,
    /// It serves what it has and grants nothing, or its engine ends.
    Draining,
    /// It needs a person.
    Held,
    /// Nobody wants it.
    Stopped,
}

/// A stretch of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which.
    pub state: State,
    /// From here.
    pub from: Time,
    /// To there.
    pub to: Time,
}

/// What is known of every pool.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) pools: BTreeMap<PoolUid, PoolBooks>,
}

/// What is known of one pool.
#[derive(Debug, Default)]
pub(super) struct PoolBooks {
    /// Since when it is in which state.
    turns: Vec<(Time, State)>,
    pub(super) crashes: BTreeMap<&'static str, u64>,
    pub(super) storms: u64,
}

/// Writes a ledger that somebody else reads.
#[derive(Debug)]
pub(super) struct Observer(pub(super) Rc<RefCell<Ledger>>);

impl State {
    /// Every state, the best first.
    pub const ALL: [Self; 6] =
        [Self::Serving, Self::Loading, Self::Waiting, Self::Draining, Self::Held, Self::Stopped];

    /// A short stable word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Loading => "loading",
            Self::Waiting => "waiting",
            Self::Draining => "draining",
            Self::Held => "held",
            Self::Stopped => "stopped",
        }
    }

    fn of(pool: &PoolView<'_>) -> Self {
        match pool.phase {
            PhaseName::Ready if pool.health.ready && !pool.draining => Self::Serving,
            PhaseName::Ready | PhaseName::Draining | PhaseName::Stopping => Self::Draining,
            PhaseName::Held => Self::Held,
            PhaseName::Staging | PhaseName::Starting => Self::Loading,
            PhaseName::Ended | PhaseName::Waiting => Self::Waiting,
            PhaseName::Stopped if matches!(pool.wanted, Wanted::Down(_)) => Self::Stopped,
            PhaseName::Stopped => Self::Waiting,
        }
    }
}

impl Segment {
    /// How long it lasts.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.to.since(self.from)
    }
}

impl PoolBooks {
    /// Every stretch up to now, oldest first.
    pub(super) fn timeline(&self, now: Time) -> Vec<Segment> {
        let ends = self.turns.iter().skip(1).map(|(at, _)| *at).chain([now]);
        let segments = self.turns.iter().zip(ends);
        segments.map(|((from, state), to)| Segment { state: *state, from: *from, to }).collect()
    }
}

impl Oracle for Observer {
    fn event(&mut self, event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        let Some(pool) = event.pool else { return Ok(()) };
        let mut ledger = self.0.borrow_mut();
        // The one observer that may ignore what it does not count: every other event has its own reader.
        if let EventKind::Crashed { verdict, .. } = &event.kind {
            *ledger.pools.entry(pool).or_default().crashes.entry(verdict.class.label()).or_default() += 1;
        }
        if let EventKind::StormBegan { .. } = event.kind {
            ledger.pools.entry(pool).or_default().storms += 1;
        }
        Ok(())
    }

    fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
        let state = State::of(pool);
        let mut ledger = self.0.borrow_mut();
        let turns = &mut ledger.pools.entry(pool.uid).or_default().turns;
        match turns.last_mut() {
            Some((_, last)) if *last == state => {}
            // What lasted no time at all was never seen by anybody.
            Some((at, last)) if *at == observed.now => *last = state,
            Some(_) | None => turns.push((observed.now, state)),
        }
        Ok(())
    }
}
