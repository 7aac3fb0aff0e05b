//! The running hash over what a host did: one number that differs as soon as one effect does.
//!
//! The driver keeps it, the journal writes it beside the inputs, replay compares. FNV-1a over the effects'
//! encoding: good enough to tell two histories apart, the same on every platform, no match for someone who
//! forges a journal.

use core::fmt;

use postcard::ser_flavors::Flavor;

use crate::effect::Effect;

/// A running hash over the effects of every input so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectHash(u64);

impl Default for EffectHash {
    fn default() -> Self {
        Self::BEGIN
    }
}

impl EffectHash {
    /// Before the first input.
    pub const BEGIN: Self = Self(0xcbf2_9ce4_8422_2325);

    const PRIME: u64 = 0x0000_0100_0000_01b3;

    /// After one more input, which caused these effects, in order; none of them counts as well.
    #[must_use]
    pub fn after<'a>(self, effects: impl IntoIterator<Item = &'a Effect>) -> Self {
        let mut hash = self;
        for effect in effects {
            let encoded = postcard::serialize_with_flavor(effect, Mix(hash.byte(1)));
            debug_assert!(encoded.is_ok(), "J02: an effect could not be encoded: {encoded:?}");
            hash = encoded.unwrap_or(hash);
        }
        hash.byte(0)
    }

    /// The hash as a number, to be kept.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The hash that [`EffectHash::as_u64`] gave.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Half of it, where bytes count.
    pub(super) const fn short(self) -> u32 {
        let [a, b, c, d, e, f, g, h] = self.0.to_le_bytes();
        u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
    }

    /// An eighth of it, where every byte counts.
    pub(super) const fn tiny(self) -> u8 {
        let [a, b, c, d] = self.short().to_le_bytes();
        a ^ b ^ c ^ d
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(Self::PRIME))
    }
}

impl fmt::Display for EffectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// As much of an [`EffectHash`] as a record has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashCheck {
    /// All of it.
    Full(EffectHash),
    /// Folded to 32 bits.
    Short(u32),
    /// Folded to 8 bits.
    Tiny(u8),
}

impl HashCheck {
    /// Whether it was taken of this hash, as far as its bits can tell.
    #[must_use]
    pub fn fits(self, hash: EffectHash) -> bool {
        match self {
            Self::Full(full) => full == hash,
            Self::Short(short) => short == hash.short(),
            Self::Tiny(tiny) => tiny == hash.tiny(),
        }
    }
}

/// Hashes an encoding while it is made.
struct Mix(EffectHash);

impl Flavor for Mix {
    type Output = EffectHash;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0 = self.0.byte(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<EffectHash> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::effect::Signal;
    use crate::id::{EngineRef, Incarnation, PoolUid};

    const ENGINE: EngineRef = EngineRef { pool: PoolUid(1), incarnation: Incarnation { epoch: 1, n: 1 } };
    const TERM: Effect = Effect::Signal { engine: ENGINE, signal: Signal::Graceful };

    #[test]
    fn every_effect_its_order_and_its_input_count() {
        let begin = EffectHash::BEGIN;
        let histories = [
            begin,
            begin.after(&[]),
            begin.after(&[TERM]),
            begin.after(&[Effect::Exit]),
            begin.after(&[TERM, Effect::Exit]),
            begin.after(&[Effect::Exit, TERM]),
            begin.after(&[TERM]).after(&[Effect::Exit]),
        ];
        for (place, one) in histories.iter().enumerate() {
            for other in &histories[..place] {
                assert_ne!(one, other);
            }
        }
    }

    #[test]
    fn it_is_the_same_number_on_every_platform() {
        // FNV-1a 64 of 01 08 01 01 01 00 01 03 00, made with another program.
        let hash = EffectHash::BEGIN.after(&[TERM, Effect::Exit]);
        assert_eq!(hash.to_string(), "47820e1614c177d5");
    }
}
