//! Tokens of 128 bits for what callers name in their own words: correlation ids and lease holders.
//! The core and the journal carry the token; here the words are remembered to be shown.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pool_manager_core::{Correlation, Holder};
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

/// Makes tokens and remembers the words of the last 4096.
pub(super) struct Names {
    seed: u64,
    made: AtomicU64,
    words: Mutex<Words>,
}

#[derive(Default)]
struct Words {
    by_token: HashMap<u128, String>,
    oldest_first: VecDeque<u128>,
}

const KEPT: usize = 4096;

impl Names {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, made: AtomicU64::new(0), words: Mutex::default() }
    }

    /// A new correlation id, for a request that brought none.
    pub(super) fn make(&self) -> Correlation {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Correlation(halves(xxh3_128_with_seed(&number.to_le_bytes(), self.seed)))
    }

    /// The token of a caller's own correlation id: 32 hexadecimal digits or a UUID are the token
    /// itself, any other text is hashed.
    pub(super) fn correlation(&self, text: &str) -> Correlation {
        let token = literal(text).unwrap_or_else(|| xxh3_128(text.as_bytes()));
        self.remember(token, text);
        Correlation(halves(token))
    }

    /// The token of a holder's name.
    pub(super) fn holder(&self, text: &str) -> Holder {
        let token = xxh3_128(text.as_bytes());
        self.remember(token, text);
        Holder(halves(token))
    }

    /// The words for a token, or its digits when they are not known (any more).
    pub(super) fn shown(&self, token: [u64; 2]) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.by_token.get(&whole(token)).cloned().unwrap_or_else(|| hex(token))
    }

    fn remember(&self, token: u128, text: &str) {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.by_token.insert(token, text.to_owned()).is_none() {
            words.oldest_first.push_back(token);
        }
        if words.oldest_first.len() > KEPT
            && let Some(oldest) = words.oldest_first.pop_front()
        {
            words.by_token.remove(&oldest);
        }
    }
}

/// 32 hexadecimal digits.
pub(super) fn hex(token: [u64; 2]) -> String {
    format!("{:032x}", whole(token))
}

/// A seed nobody can guess, from the operating system's randomness behind the standard hash maps.
pub(super) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn literal(text: &str) -> Option<u128> {
    let digits: String = match text.len() {
        32 => text.to_owned(),
        36 if [8, 13, 18, 23].iter().all(|dash| text.as_bytes().get(*dash) == Some(&b'-')) => {
            text.chars().filter(|c| *c != '-').collect()
        }
        _ => return None,
    };
    let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u128::from_str_radix(&digits, 16).ok() } else { None }
}

const fn halves(token: u128) -> [u64; 2] {
    [(token >> 64) as u64, token as u64]
}

const fn whole([high, low]: [u64; 2]) -> u128 {
    ((high as u128) << 64) | low as u128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_uuids_are_the_token_itself() {
        let names = Names::new(1);
        let digits = "0123456789abcdef0011223344556677";
        let token = Correlation([0x0123_4567_89ab_cdef, 0x0011_2233_4455_6677]);
        assert_eq!(names.correlation(digits), token);
        assert_eq!(names.correlation("01234567-89AB-cdef-0011-223344556677"), token);
        assert_eq!(hex(token.0), digits);
        assert_ne!(names.correlation("+1234567-89AB-cdef-0011-223344556677"), token);
    }

    #[test]
    fn words_are_shown_again_until_forgotten() {
        let names = Names::new(1);
        let holder = names.holder("router-7");
        assert_eq!(names.shown(holder.0), "router-7");
        for n in 0..KEPT {
            names.holder(&n.to_string());
        }
        assert_eq!(names.shown(holder.0), hex(holder.0));
    }

    #[test]
    fn made_ids_differ() {
        let names = Names::new(random_seed());
        assert_ne!(names.make(), names.make());
    }
}
