//! Fingerprints: 64 bits of what decides a host's future, for the exhaustive search of small worlds.
//!
//! Two hosts with one fingerprint do the same from now on, up to the names of ids, the jitter that is keyed by
//! them, and what only people read (totals, verdicts, since when). So:
//!
//! - a deadline counts as the time left until it, one that has passed as passed;
//! - a past instant counts as the time since, and as *long ago* when that is longer than anybody asks for;
//! - an id counts as the place it was first met at ([`Fingerprint::engine`] and its kind);
//! - what only counts, and what was kept for people, is left out. So are policies: they do not change, and the
//!   hosts that are compared were given the same ones.
//!
//! Every part writes itself down beside its own fields, taking its struct apart, so that a new field does not compile
//! until somebody has said whether it matters.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use crate::id::{CommandId, EffectId, EngineRef, LeaseId, PoolUid};
use crate::time::Time;

/// What is written into a fingerprint, seen from one instant.
///
/// [`Host::write_fingerprint`](crate::Host::write_fingerprint) comes first; whoever keeps a world around the host goes on with
/// that world, whose ids then get the same names as in the host.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint {
    now: Time,
    mix: Mix,
    pools: Vec<PoolUid>,
    engines: Vec<EngineRef>,
    effects: Vec<EffectId>,
    commands: Vec<CommandId>,
    leases: Vec<LeaseId>,
}

impl Fingerprint {
    /// Nothing yet, seen from `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self { now, ..Self::default() }
    }

    /// Begins anew in the memory of the last one.
    pub fn restart(&mut self, now: Time) {
        self.now = now;
        self.mix = Mix::default();
        self.pools.clear();
        self.engines.clear();
        self.effects.clear();
        self.commands.clear();
        self.leases.clear();
    }

    /// Something that is neither an instant nor an id.
    pub fn add<T: Hash + ?Sized>(&mut self, value: &T) {
        value.hash(&mut self.mix);
    }

    /// An instant that is waited for. [`Time::NEVER`] is not.
    pub fn deadline(&mut self, at: Time) {
        let left =
            if at == Time::NEVER { u64::MAX } else { at.as_nanos().saturating_sub(self.now.as_nanos()) };
        self.mix.word(left);
    }

    /// An instant that may be waited for.
    pub fn optional_deadline(&mut self, at: Option<Time>) {
        self.deadline(at.unwrap_or(Time::NEVER));
    }

    /// An instant that matters for so long; then it is long ago.
    pub fn past(&mut self, at: Time, matters_for: Duration) {
        let since = self.now.since(at);
        let nanos = if since > matters_for { u128::from(u64::MAX) } else { since.as_nanos() };
        self.mix.word(u64::try_from(nanos).unwrap_or(u64::MAX));
    }

    /// An instant that matters for so long, if there is one.
    pub fn optional_past(&mut self, at: Option<Time>, matters_for: Duration) {
        match at {
            Some(at) => self.past(at, matters_for),
            None => self.mix.word(u64::MAX - 1),
        }
    }

    /// The instants that still matter, in their order; older ones do not count at all.
    pub fn recent(&mut self, instants: impl Iterator<Item = Time>, matter_for: Duration) {
        for at in instants {
            let since = self.now.since(at);
            if since < matter_for {
                self.past(at, matter_for);
            }
        }
        self.mix.word(u64::MAX);
    }

    /// A pool, by its place.
    pub fn pool(&mut self, uid: PoolUid) {
        let place = place(&mut self.pools, uid);
        self.mix.word(place);
    }

    /// An engine, by its place.
    pub fn engine(&mut self, engine: EngineRef) {
        let place = place(&mut self.engines, engine);
        self.mix.word(place);
    }

    /// An effect, by its place.
    pub fn effect(&mut self, effect: EffectId) {
        let place = place(&mut self.effects, effect);
        self.mix.word(place);
    }

    /// A command, by its place.
    pub fn command(&mut self, command: CommandId) {
        let place = place(&mut self.commands, command);
        self.mix.word(place);
    }

    /// A lease, by its place.
    pub fn lease(&mut self, lease: LeaseId) {
        let place = place(&mut self.leases, lease);
        self.mix.word(place);
    }

    /// The fingerprint of all that was written. Of one process only: it is not kept.
    #[must_use]
    pub fn finish(&self) -> u64 {
        self.mix.finish()
    }
}

/// Where an id was first met. There are few, so looking them through is quickest.
fn place<T: PartialEq>(met: &mut Vec<T>, id: T) -> u64 {
    let known = met.iter().position(|one| *one == id);
    let place = known.unwrap_or_else(|| {
        met.push(id);
        met.len() - 1
    });
    place as u64
}

/// One multiplication a word, its halves folded together, as in wyhash.
#[derive(Clone, Copy, Debug, Default)]
struct Mix(u64);

impl Mix {
    const fn word(&mut self, word: u64) {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        const OTHER: u64 = 0xE703_7ED1_A0B4_28DB;
        let product = ((self.0 ^ OTHER) as u128).wrapping_mul((word ^ ODD) as u128);
        // The rotation keeps what a word of zeros after the fold would forget.
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(23);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        let mut last = *self;
        last.word(self.0.rotate_left(32));
        last.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().rev().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            self.word(word);
        }
        self.word(bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.word(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.word(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.word(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }

    fn write_i32(&mut self, value: i32) {
        self.word(u64::from(value.cast_unsigned()));
    }

    fn write_isize(&mut self, value: isize) {
        self.word(value.cast_unsigned() as u64);
    }
}

/// Fails where two of these are equal, and says which.
#[cfg(test)]
pub(crate) fn all_differ(prints: &[u64]) {
    for (place, one) in prints.iter().enumerate() {
        let twin = prints.iter().skip(place + 1).position(|other| one == other);
        assert_eq!(twin, None, "after the one at {place}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    fn of(now: u64, write: impl FnOnce(&mut Fingerprint)) -> u64 {
        let mut fingerprint = Fingerprint::new(Time::from_nanos(now));
        write(&mut fingerprint);
        fingerprint.finish()
    }

    #[test]
    fn instants_count_from_now() {
        let at = |now, at| of(now, |to| to.deadline(Time::from_nanos(at)));
        assert_eq!(at(5, 8), at(105, 108));
        assert_ne!(at(5, 8), at(5, 9));
        assert_eq!(at(5, 5), at(9, 2), "passed is passed");
        assert_ne!(at(5, 5), of(5, |to| to.deadline(Time::NEVER)));
        let past = |now, at| of(now, |to| to.past(Time::from_nanos(at), Duration::from_nanos(10)));
        assert_eq!(past(20, 15), past(120, 115));
        assert_ne!(past(20, 15), past(20, 14));
        assert_eq!(past(20, 9), past(500, 9), "long ago is long ago");
    }

    #[test]
    fn ids_count_by_the_place_they_were_first_met_at() {
        let engine = |n| EngineRef { pool: PoolUid(1), incarnation: Incarnation { epoch: 1, n } };
        let pair = |first, second| {
            of(0, |to| {
                to.engine(engine(first));
                to.engine(engine(second));
            })
        };
        assert_eq!(pair(1, 2), pair(7, 4));
        assert_ne!(pair(1, 2), pair(1, 1));
    }

    #[test]
    fn an_instant_that_is_none_is_told_from_every_other() {
        let deadline = |at: Option<u64>| of(5, |to| to.optional_deadline(at.map(Time::from_nanos)));
        assert_eq!(deadline(Some(8)), of(5, |to| to.deadline(Time::from_nanos(8))));
        assert_eq!(deadline(None), of(5, |to| to.deadline(Time::NEVER)));
        let long = Duration::from_nanos(10);
        let past = |at: Option<u64>| of(50, |to| to.optional_past(at.map(Time::from_nanos), long));
        assert_eq!(past(Some(45)), of(50, |to| to.past(Time::from_nanos(45), long)));
        assert_ne!(past(None), past(Some(50)), "now");
        assert_ne!(past(None), past(Some(0)), "long ago");
        assert_ne!(past(None), 0);
    }

    #[test]
    fn a_past_instant_matters_to_the_last_of_its_time() {
        let long = Duration::from_nanos(10);
        let past = |at| of(50, |to| to.past(Time::from_nanos(at), long));
        assert_ne!(past(40), past(39));
        assert_eq!(past(39), past(38));
        let recent = |at: &[u64]| of(50, |to| to.recent(at.iter().copied().map(Time::from_nanos), long));
        assert_eq!(recent(&[30, 40]), recent(&[]), "at its end it is over");
        assert_ne!(recent(&[41]), recent(&[]));
        assert_ne!(recent(&[41]), recent(&[42]));
        assert_ne!(recent(&[41, 42]), recent(&[42]));
    }

    #[test]
    fn every_kind_of_id_has_places_of_its_own() {
        let run = |n| EngineRef { pool: PoolUid(1), incarnation: Incarnation { epoch: 1, n } };
        let write: [fn(&mut Fingerprint, EngineRef); 5] = [
            |to, engine| to.pool(PoolUid(engine.incarnation.n)),
            |to, engine| to.engine(engine),
            |to, engine| {
                to.effect(EffectId { pool: engine.pool, sequence: engine.incarnation.n.into() });
            },
            |to, engine| to.command(CommandId(engine.incarnation.n.into())),
            |to, engine| to.lease(LeaseId { engine, sequence: 1 }),
        ];
        for write in write {
            let ids = |ids: &[u32]| of(0, |to| ids.iter().for_each(|n| write(to, run(*n))));
            assert_eq!(ids(&[3, 5, 3]), ids(&[9, 2, 9]));
            let different =
                [ids(&[]), ids(&[3]), ids(&[3, 3]), ids(&[3, 5]), ids(&[3, 5, 3]), ids(&[3, 5, 5])];
            all_differ(&different);
            let places = of(0, |to| [0_u64, 1, 0].iter().for_each(|place| to.add(place)));
            assert_eq!(ids(&[3, 5, 3]), places);
            // After a restart the first is the first again, and is written as the first place.
            let mut again = Fingerprint::new(Time::ZERO);
            write(&mut again, run(1));
            again.restart(Time::ZERO);
            write(&mut again, run(2));
            assert_eq!(again.finish(), of(0, |to| to.add(&0_u64)));
        }
    }

    #[test]
    fn values_of_every_type_are_told_apart() {
        fn differ<T: Hash>(values: &[T]) {
            let all: Vec<u64> = values.iter().map(|value| of(0, |to| to.add(value))).collect();
            all_differ(&all);
            let nothing = of(0, |_| {});
            assert!(all.iter().all(|one| *one != nothing));
        }
        differ(&[0_u8, 1, 255]);
        differ(&[0_u16, 1, 256]);
        differ(&[0_u32, 1, 1 << 31]);
        differ(&[0_u64, 1, 1 << 63, u64::MAX]);
        differ(&[0_usize, 1]);
        differ(&[0_i32, 1, -1]);
        differ(&[0_isize, 1, -1]);
        differ(&["", "a", "b", "ab", "ba", "abcdefgh", "abcdefgi", "abcdefghi", "bbcdefgh"]);
    }

    #[test]
    fn the_bits_of_few_words_are_spread_over_all() {
        // Each of 64 single bits changes about half of the fingerprint, and no two fingerprints are equal.
        let all: Vec<u64> = (0..64).map(|bit| of(0, |to| to.add(&(1_u64 << bit)))).collect();
        for (place, one) in all.iter().enumerate() {
            for other in all.iter().skip(place + 1) {
                assert!((16..=48).contains(&(one ^ other).count_ones()), "{one:x} {other:x}");
            }
        }
    }

    #[test]
    fn what_was_written_before_stays_in_it() {
        let words = |words: &[u64]| of(0, |to| words.iter().for_each(|word| to.add(word)));
        let all = [words(&[]), words(&[0]), words(&[0, 0]), words(&[0, 1]), words(&[1, 0]), words(&[1])];
        all_differ(&all);
        let mut again = Fingerprint::new(Time::ZERO);
        again.add(&7_u64);
        again.restart(Time::ZERO);
        assert_eq!(again.finish(), words(&[]));
    }
}
