//! Keyed draws: randomness as a pure function, so that the core keeps no generator and one more
//! draw in one place shifts nothing in another.
//!
//! The mixing is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").

use core::time::Duration;

/// 64 bits that depend on every part of the key, and on nothing else.
pub(crate) fn draw(seed: u64, key: &[u64]) -> u64 {
    key.iter().fold(mix(seed), |state, part| mix(state ^ part.wrapping_mul(GOLDEN)))
}

/// A span from zero to `width`, both included, from 64 bits.
pub(crate) fn within(draw: u64, width: Duration) -> Duration {
    let steps = width.as_nanos().saturating_add(1);
    let nanos = (u128::from(draw).saturating_mul(steps)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

const fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_is_the_published_function() {
        // The first output of SplitMix64 seeded with 0, as its reference implementation prints it.
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let draws = [draw(1, &[2, 3]), draw(2, &[2, 3]), draw(1, &[3, 2]), draw(1, &[2, 3, 0])];
        for (place, one) in draws.iter().enumerate() {
            assert!(draws.iter().skip(place + 1).all(|other| one != other));
        }
    }

    #[test]
    fn a_span_reaches_both_its_ends() {
        let width = Duration::from_nanos(3);
        assert_eq!(within(0, width), Duration::ZERO);
        assert_eq!(within(u64::MAX, width), width);
        assert_eq!(within(u64::MAX, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn draws_are_what_they_were() {
        // Made by the published function: mix(mix(mix(1) ^ 2 * GOLDEN) ^ 3 * GOLDEN), modulo 2^64.
        assert_eq!(draw(1, &[]), mix(1));
        assert_eq!(draw(1, &[2, 3]), 0xAC22_1E7A_C649_2D70);
    }
}
