//! The journal of the simulated supervisor: the real codec, with the bytes in memory. A new start of the
//! supervisor gets its state from here and from nowhere else.
//!
//! What the simulated driver does with it, as the daemon's does: an input is written before it is handled; what
//! `write(2)` took outlives the supervisor, what was synced outlives the host; it is synced once a second, and
//! before a command that changes what is wanted is answered; a segment that is long gives way to the next. A disk
//! that fails is lived without: nothing is written, such commands are refused, and when it works again a new
//! segment begins. `read_back` does what a start does: replay, else the Facts, else the segment before, and
//! says which.

mod read_back;
mod segment;

use std::time::Duration;

use pool_manager_core::{Effect, Host, Input, Time};

pub(super) use read_back::{Found, History};
pub(super) use segment::Segment;

/// The segment that is written, the one before it, and how well the disk does.
#[derive(Debug)]
pub(super) struct Journal {
    current: Segment,
    before: Option<Segment>,
    synced_at: Time,
    /// Until then every write fails.
    fails_until: Time,
    /// So long takes a sync, until then.
    slow_sync: (Duration, Time),
}

/// What is not waited for is synced so often.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// A segment of more inputs gives way to the next.
const SEGMENT_INPUTS: u64 = 4096;
/// Every so many segments one is replayed when it gives way, for S39.
const REPLAY_ONE_IN: u64 = 4;

impl Journal {
    /// Begins a journal with what the host is now.
    pub(super) fn begin(host: &Host, epoch: u32, now: Time) -> Self {
        let mut current = Segment::begin(host, epoch, 1);
        current.sync();
        let slow_sync = (Duration::ZERO, Time::ZERO);
        Self { current, before: None, synced_at: now, fails_until: Time::ZERO, slow_sync }
    }

    /// Goes on in a new segment, for this start of the supervisor.
    pub(super) fn go_on(&mut self, host: &Host, epoch: u32) {
        let mut next = Segment::begin(host, epoch, self.current.number() + 1);
        next.sync();
        self.give_way(next);
    }

    /// The last segment that can be read is kept, should the next one be damaged.
    fn give_way(&mut self, next: Segment) {
        let last = std::mem::replace(&mut self.current, next);
        if last.has_facts() || self.before.is_none() {
            self.before = Some(last);
        }
    }

    /// Before an input: what time and the state of the disk call for. The host is between two inputs.
    ///
    /// # Errors
    /// What is wrong with a segment that gave way (S39).
    pub(super) fn tend(&mut self, now: Time, host: &Host) -> Result<(), String> {
        if self.fails(now) {
            return Ok(());
        }
        if self.current.has_gap() {
            self.go_on(host, self.current.epoch());
        } else if self.current.inputs() >= SEGMENT_INPUTS {
            if self.current.number().is_multiple_of(REPLAY_ONE_IN) {
                self.current.replays_as(host)?;
            }
            self.go_on(host, self.current.epoch());
        }
        if now.since(self.synced_at) >= SYNC_EVERY {
            self.synced_at = now;
            self.current.sync();
        }
        Ok(())
    }

    /// An input is about to be handled.
    pub(super) fn input(&mut self, at: Time, input: &Input) {
        if self.fails(at) { self.current.miss() } else { self.current.input(at, input) }
    }

    /// It was handled.
    pub(super) fn handled(&mut self, effects: &[Effect]) {
        self.current.handled(effects);
    }

    /// The supervisor dies before it has told what changed of the Facts by the last input.
    pub(super) const fn dies_before_facts(&mut self) {
        self.current.dies_before_facts();
    }

    /// The supervisor dies while it writes an input: so many thousandths of the record are there.
    pub(super) fn tear(&mut self, at: Time, input: &Input, thousandths: u32) {
        if !self.fails(at) {
            self.current.tear(at, input, thousandths);
        }
    }

    /// The host loses power: so many thousandths of what was not synced are lost.
    pub(super) fn lose_tail(&mut self, thousandths: u32) {
        if !self.current.is_synced()
            && let Some(before) = &mut self.before
        {
            before.lose_tail(thousandths);
        }
        self.current.lose_tail(thousandths);
    }

    /// A bit flips, so many thousandths into the segment.
    pub(super) fn corrupt(&mut self, thousandths: u32, bit: u8) {
        // Without a good one before it there is none that could take its place.
        let spares_facts = self.before.as_ref().is_none_or(|before| !before.has_facts());
        self.current.corrupt(thousandths, bit, spares_facts);
    }

    /// A sync failed: what of the segment is on disk nobody knows, so a new one begins; it is not synced yet.
    pub(super) fn condemn(&mut self, host: &Host) {
        let next = Segment::begin(host, self.current.epoch(), self.current.number() + 1);
        let condemned = std::mem::replace(&mut self.current, next);
        // The last one that is on disk for sure is kept until the new one is.
        if condemned.is_synced() && !condemned.is_corrupt() {
            self.before = Some(condemned);
        }
    }

    /// From now on every write fails, for so long.
    pub(super) fn fail_until(&mut self, until: Time) {
        self.fails_until = self.fails_until.max(until);
    }

    /// From now on a sync takes so long.
    pub(super) const fn slow_until(&mut self, takes: Duration, until: Time) {
        self.slow_sync = (takes, until);
    }

    /// The disk is well again.
    pub(super) const fn heal(&mut self) {
        self.fails_until = Time::ZERO;
        self.slow_sync = (Duration::ZERO, Time::ZERO);
    }

    /// Until when every write fails, where it does now.
    pub(super) fn fails_until(&self, now: Time) -> Option<Time> {
        Some(self.fails_until).filter(|until| *until > now)
    }

    fn fails(&self, now: Time) -> bool {
        self.fails_until(now).is_some()
    }

    /// A command that changed what is wanted is to be answered: everything so far is synced. Answers how long
    /// that takes.
    pub(super) fn sync_for_reply(&mut self, now: Time) -> Duration {
        if self.fails(now) {
            return Duration::ZERO;
        }
        let (takes, until) = self.slow_sync;
        if until > now && !takes.is_zero() {
            return takes;
        }
        self.synced(now);
        Duration::ZERO
    }

    /// A sync came to its end.
    pub(super) fn synced(&mut self, now: Time) {
        self.synced_at = now;
        self.current.sync();
    }
}
