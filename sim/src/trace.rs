//! What a run was, as one number: a running hash over every (time, input) and every effect. Two runs with
//! equal hashes did the same. Keeps the last steps, for the report of a broken invariant.

use std::collections::VecDeque;
use std::fmt;

use pool_manager_core::{Effect, Input, Time};

use crate::{canonical, draws};

/// The record of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Fnv,
    steps: u64,
    last: VecDeque<(Time, Step)>,
    scratch: Vec<u8>,
}

/// One thing that went into the core, or came out.
#[derive(Clone, Debug)]
pub enum Step {
    /// Out.
    Effect(Effect),
    /// In.
    Input(Input),
}

/// So many steps are shown when an invariant breaks.
const KEPT: usize = 40;

impl Trace {
    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    /// Inputs so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The last steps, oldest first.
    pub fn last(&self) -> impl Iterator<Item = &(Time, Step)> {
        self.last.iter()
    }

    pub(crate) fn input(&mut self, at: Time, input: &Input) {
        self.steps += 1;
        self.scratch.clear();
        canonical::encode(&(0_u8, at, input), &mut self.scratch);
        self.keep(at, Step::Input(input.clone()));
    }

    pub(crate) fn effect(&mut self, at: Time, effect: &Effect) {
        self.scratch.clear();
        canonical::encode(&(1_u8, at, effect), &mut self.scratch);
        self.keep(at, Step::Effect(effect.clone()));
    }

    fn keep(&mut self, at: Time, step: Step) {
        self.hash.update(&self.scratch);
        draws::step(self.hash.0);
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back((at, step));
    }
}

impl fmt::Display for Trace {
    /// The last steps, one a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in &self.last {
            match step {
                Step::Input(input) => writeln!(f, "  {at} -> {input:?}")?,
                Step::Effect(effect) => writeln!(f, "  {at} <- {effect:?}")?,
            }
        }
        Ok(())
    }
}

/// FNV-1a, 64 bit: for telling runs apart, not against anybody.
#[derive(Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_is_the_published_function() {
        let mut fnv = Fnv::default();
        fnv.update(b"foobar");
        assert_eq!(fnv.0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn time_is_part_of_the_trace_and_only_the_last_steps_are_kept() {
        let run = |nanos| {
            let mut trace = Trace::default();
            (0..100).for_each(|_| trace.input(Time::from_nanos(nanos), &Input::Timer));
            trace
        };
        assert_eq!(run(1).hash(), run(1).hash());
        assert_ne!(run(1).hash(), run(2).hash());
        assert_eq!((run(1).steps(), run(1).last().count()), (100, KEPT));
    }
}
