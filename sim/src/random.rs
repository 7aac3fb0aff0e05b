//! Randomness: one ChaCha8 stream per entity, integer draws only. A draw more for one entity shifts
//! nothing for another.

use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::draws;

/// Whose stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// The order of what is simultaneous.
    Agenda,
    /// Clients of the pool with this number.
    Clients(u32),
    /// Engines of the pool with this number.
    Engines(u32),
    /// Staging, files and release checks.
    Executors,
    /// What is done to a host that is calm.
    Liveness,
    /// The operator.
    Operator,
    /// The host of a plan.
    Setup,
    /// What strikes it.
    Weather,
}

/// The draws of one entity.
#[derive(Clone, Debug)]
pub struct Stream {
    whose: Entity,
    rng: ChaCha8Rng,
}

impl Stream {
    pub(crate) fn new(seed: u64, entity: Entity) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(match entity {
            Entity::Agenda => 1,
            Entity::Executors => 2,
            Entity::Operator => 3,
            Entity::Setup => 4,
            Entity::Weather => 5,
            Entity::Liveness => 6,
            Entity::Clients(pool) => 1 << 32 | u64::from(pool),
            Entity::Engines(pool) => 2 << 32 | u64::from(pool),
        });
        Self { whose: entity, rng }
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        if end == 0 {
            return 0;
        }
        let drawn = self.rng.random_range(0..end);
        draws::drawn(self.whose, "below", drawn.into());
        drawn
    }

    /// `true` once in `n` times on average; never when `n` is 0.
    pub fn one_in(&mut self, n: u32) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// A span between the two ends, both included, in whole microseconds.
    pub fn span(&mut self, span: Span) -> Duration {
        let micros = |end: Duration| u64::try_from(end.as_micros()).unwrap_or(u64::MAX);
        let (from, to) = (micros(span.from), micros(span.to));
        if from >= to {
            return span.from;
        }
        let drawn = self.rng.random_range(from..=to);
        draws::drawn(self.whose, "span in microseconds", drawn);
        Duration::from_micros(drawn)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        let drawn = self.rng.next_u64();
        draws::drawn(self.whose, "bits", drawn);
        drawn
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let place = self.below(u32::try_from(of.len()).unwrap_or(u32::MAX));
        of.get(place as usize)
    }

    /// Puts things in an order of their own (Fisher–Yates).
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for place in (1..things.len()).rev() {
            let other = self.below(u32::try_from(place + 1).unwrap_or(u32::MAX)) as usize;
            things.swap(place, other);
        }
    }
}

/// How long something takes: somewhere between two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub from: Duration,
    /// The most.
    pub to: Duration,
}

impl Span {
    /// No time at all.
    pub const NONE: Self = Self { from: Duration::ZERO, to: Duration::ZERO };

    /// Always the same.
    #[must_use]
    pub const fn exactly(span: Duration) -> Self {
        Self { from: span, to: span }
    }

    /// Between two ends in milliseconds.
    #[must_use]
    pub const fn millis(from: u64, to: u64) -> Self {
        Self { from: Duration::from_millis(from), to: Duration::from_millis(to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        assert_eq!(ChaCha8Rng::seed_from_u64(42).next_u64(), 0xae90_bfb5_395d_5ba1);
    }

    #[test]
    fn entities_draw_from_streams_of_their_own() {
        let mut first = Stream::new(7, Entity::Clients(1));
        let (mut again, mut other) = (Stream::new(7, Entity::Clients(1)), Stream::new(7, Entity::Engines(1)));
        let bits = first.bits();
        assert_eq!(bits, again.bits());
        assert_ne!(bits, other.bits());
    }

    #[test]
    fn a_span_stays_between_its_ends() {
        let mut stream = Stream::new(1, Entity::Operator);
        let span = Span::millis(3, 5);
        assert!((0..1000).map(|_| stream.span(span)).all(|drawn| span.from <= drawn && drawn <= span.to));
    }
}
