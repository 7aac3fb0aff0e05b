//! Writing a segment: records go into a buffer, the caller brings its bytes to disk.
//!
//! An input is recorded *before* it is handled, with the hash over the effects of all inputs before it: so a
//! driver may write first and handle then, or handle several and write once before it acts on any.

use alloc::vec::Vec;
use core::mem::take;

use serde::Serialize;

use super::bytes::put;
use super::facts::{Facts, FactsUpdate};
use super::frame::{Kind, put_frame, put_preamble};
use super::hash::EffectHash;
use super::pack::{Baseline, Batch};
use super::read::Header;
use crate::host::Host;
use crate::input::Input;
use crate::time::Time;

/// Writes one segment. Every byte it gives must reach the same file in order: after a write that failed, begin
/// another segment, with Facts and State of its own.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
    batch: Batch,
    base: Baseline,
}

impl Writer {
    /// A batch is closed by itself at this size, so that a torn write costs no more.
    const MOST_BATCH_BYTES: usize = 4096;

    /// Begins a segment. Facts come next, then a State, then what happens.
    #[must_use]
    pub fn begin(header: &Header) -> Self {
        let mut out = Vec::new();
        put_preamble(&mut out);
        let mut writer = Self { out, batch: Batch::default(), base: Baseline::default() };
        writer.json(Kind::Header, header);
        writer
    }

    /// Records what every later version can read.
    pub fn facts(&mut self, facts: &Facts) {
        self.json(Kind::Facts, facts);
    }

    /// Records what changed since the last Facts. For what changes rarely, not for lease counts.
    pub fn facts_update(&mut self, update: &FactsUpdate) {
        self.json(Kind::FactsUpdate, update);
    }

    /// Records the whole host, between two inputs and with its effects and events drained. `effects`: of
    /// every input so far.
    pub fn state(&mut self, host: &Host, effects: EffectHash) {
        let mut payload = effects.as_u64().to_le_bytes().to_vec();
        put(&mut payload, host);
        self.frame(Kind::State, &payload);
    }

    /// Records an input that is about to be handled. `before`: the effects of every input before it.
    pub fn input(&mut self, at: Time, input: &Input, before: EffectHash) {
        if self.batch.pack(&mut self.base, at, input, before) {
            if self.batch.bytes.len() >= Self::MOST_BATCH_BYTES {
                self.close_batch();
            }
            return;
        }
        // Such records stand for themselves, so that they can be kept when the packed ones go.
        let mut payload = before.as_u64().to_le_bytes().to_vec();
        put(&mut payload, &at);
        put(&mut payload, input);
        self.frame(Kind::Input, &payload);
        self.base.at = at;
    }

    /// Records that every input so far was handled and its effects were handed out. At the end of a segment,
    /// and wherever "was the last input finished?" may be asked.
    pub fn mark(&mut self, effects: EffectHash) {
        self.frame(Kind::Mark, &effects.as_u64().to_le_bytes());
    }

    /// The bytes since the last call, in whole records. Inputs that come after it begin a record of their own:
    /// take late, and lease inputs share one.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        self.close_batch();
        take(&mut self.out)
    }

    fn json<T: Serialize>(&mut self, kind: Kind, value: &T) {
        let text = serde_json::to_vec(value);
        // Plain structs with text keys always become JSON.
        debug_assert!(text.is_ok(), "J03: {kind:?} could not be encoded: {text:?}");
        self.frame(kind, &text.unwrap_or_default());
    }

    fn frame(&mut self, kind: Kind, payload: &[u8]) {
        self.close_batch();
        put_frame(&mut self.out, kind, payload);
    }

    fn close_batch(&mut self) {
        if !self.batch.bytes.is_empty() {
            put_frame(&mut self.out, Kind::Leases, &self.batch.bytes);
            self.batch.bytes.clear();
        }
    }
}
