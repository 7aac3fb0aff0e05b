//! The journal of the simulated supervisor: the real codec, with the bytes in memory. A new start of the
//! supervisor gets its state from here and from nowhere else.

use pool_manager_core::journal::{EffectHash, Header, Writer, fold, replay};
use pool_manager_core::{Effect, Host, HostConfig, Input, Time};

/// One segment that is written, and what was written of it.
#[derive(Debug)]
pub(super) struct Journal {
    writer: Writer,
    bytes: Vec<u8>,
    effects: EffectHash,
    segment: u64,
}

impl Journal {
    /// Begins a segment with what the host is now.
    pub(super) fn begin(host: &Host, epoch: u32, segment: u64) -> Self {
        let effects = EffectHash::default();
        let mut writer = Writer::begin(&Header::new(epoch, segment));
        writer.facts(&host.facts());
        writer.state(host, effects);
        let bytes = writer.take();
        Self { writer, bytes, effects, segment }
    }

    /// Goes on in a new segment.
    pub(super) fn go_on(&self, host: &Host, epoch: u32) -> Self {
        Self::begin(host, epoch, self.segment + 1)
    }

    /// An input is about to be handled.
    pub(super) fn input(&mut self, at: Time, input: &Input) {
        self.writer.input(at, input, self.effects);
    }

    /// It was handled.
    pub(super) fn handled(&mut self, effects: &[Effect]) {
        self.effects = self.effects.after(effects);
    }

    /// The host as the journal tells it: State and every input since, replayed.
    ///
    /// # Errors
    /// What is wrong with the journal, or with the replay.
    pub(super) fn replayed(&mut self) -> Result<Host, String> {
        self.writer.mark(self.effects);
        self.bytes.extend(self.writer.take());
        let mut diverged = None;
        let replayed = replay(&self.bytes, |divergence| {
            diverged.get_or_insert_with(|| format!("J03: a replay does otherwise: {divergence:?}"));
        });
        match (diverged, replayed) {
            (Some(divergence), _) => Err(divergence),
            (None, Ok(replayed)) => Ok(replayed.host),
            (None, Err(error)) => Err(format!("J04: the journal cannot be read: {error}")),
        }
    }

    /// The host as another version of the supervisor would know it: from its Facts alone.
    ///
    /// # Errors
    /// What is wrong with the journal.
    pub(super) fn recalled(host: &Host, config: HostConfig, epoch: u32, now: Time) -> Result<Host, String> {
        let mut segment = Self::begin(host, epoch, 1);
        segment.writer.mark(segment.effects);
        segment.bytes.extend(segment.writer.take());
        let folded =
            fold(&segment.bytes).map_err(|error| format!("J04: the Facts cannot be read: {error}"))?;
        Ok(Host::from_facts(config, &folded.facts, now))
    }
}
