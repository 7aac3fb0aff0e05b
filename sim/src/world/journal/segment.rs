//! One segment of the journal: its bytes, how many of them are synced, and what may befall them.

use std::collections::BTreeMap;

use pool_manager_core::journal::{EffectHash, HashCheck, Header, PoolFacts, Replay, Step, Writer, replay};
use pool_manager_core::{Effect, Host, Input, PoolUid, Time};

/// A segment.
#[derive(Debug)]
pub(in crate::world) struct Segment {
    writer: Writer,
    bytes: Vec<u8>,
    effects: EffectHash,
    number: u64,
    epoch: u32,
    /// Inputs that were written.
    inputs: u64,
    synced_bytes: usize,
    synced_inputs: u64,
    /// Header and Facts end here.
    facts_end: usize,
    /// Inputs were handled that it does not have.
    gap: bool,
    /// Some of what was written is lost or changed.
    hurt: Option<Hurt>,
    /// It was cut, whatever else.
    cut: bool,
    facts_lag: bool,
}

/// What befell a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hurt {
    /// A bit flipped.
    Corrupt,
    /// Its end was lost, none of what was synced.
    Cut,
}

impl Segment {
    pub(super) fn begin(host: &Host, epoch: u32, number: u64) -> Self {
        let mut writer = Writer::begin(&Header::new(epoch, number));
        writer.facts(&host.facts());
        let mut bytes = writer.take();
        let facts_end = bytes.len();
        let effects = EffectHash::default();
        writer.state(host, effects);
        bytes.extend(writer.take());
        Self {
            writer,
            bytes,
            effects,
            number,
            epoch,
            inputs: 0,
            synced_bytes: 0,
            synced_inputs: 0,
            facts_end,
            gap: false,
            hurt: None,
            cut: false,
            facts_lag: false,
        }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(super) const fn inputs(&self) -> u64 {
        self.inputs
    }

    pub(super) const fn synced_inputs(&self) -> u64 {
        self.synced_inputs
    }

    /// Whether its end was lost.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    pub(super) fn is_corrupt(&self) -> bool {
        self.hurt == Some(Hurt::Corrupt)
    }

    /// Whether the Facts at its beginning are there.
    pub(super) fn has_facts(&self) -> bool {
        !self.is_corrupt() && self.bytes.len() >= self.facts_end
    }

    /// Whether any of it is on disk for sure.
    pub(super) const fn is_synced(&self) -> bool {
        self.synced_bytes > 0
    }

    pub(super) const fn has_gap(&self) -> bool {
        self.gap
    }

    pub(super) const fn hurt(&self) -> Option<Hurt> {
        self.hurt
    }

    pub(super) fn input(&mut self, at: Time, input: &Input) {
        self.writer.input(at, input, self.effects);
        self.inputs += 1;
    }

    pub(super) const fn miss(&mut self) {
        self.gap = true;
    }

    pub(super) fn handled(&mut self, effects: &[Effect]) {
        self.effects = self.effects.after(effects);
    }

    pub(super) const fn dies_before_facts(&mut self) {
        self.facts_lag = true;
    }

    /// Whether the last input's change of the Facts was not told.
    pub(super) const fn facts_lag(&self) -> bool {
        self.facts_lag
    }

    pub(super) fn sync(&mut self) {
        self.flush();
        self.synced_bytes = self.bytes.len();
        self.synced_inputs = self.inputs;
    }

    pub(super) fn flush(&mut self) {
        let more = self.writer.take();
        self.bytes.extend(more);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn tear(&mut self, at: Time, input: &Input, thousandths: u32) {
        self.flush();
        let whole = self.bytes.len();
        self.writer.input(at, input, self.effects);
        self.flush();
        self.keep(whole, thousandths);
    }

    pub(super) fn lose_tail(&mut self, thousandths: u32) {
        self.flush();
        let whole = self.bytes.len();
        self.keep(self.synced_bytes, 1000_u32.saturating_sub(thousandths));
        if self.bytes.len() < whole {
            self.hurt.get_or_insert(Hurt::Cut);
            self.cut = true;
        }
    }

    /// Keeps so many thousandths of what comes after a place; of a thousandth and less than all of it never all.
    fn keep(&mut self, from: usize, thousandths: u32) {
        let after = self.bytes.len() - from;
        let kept = after * thousandths.min(1000) as usize / 1000;
        self.bytes.truncate(from + kept);
    }

    pub(super) fn corrupt(&mut self, thousandths: u32, bit: u8, spares_facts: bool) {
        self.flush();
        let first = if spares_facts { self.facts_end } else { 0 };
        let place = first + (self.bytes.len() - first) * thousandths.min(999) as usize / 1000;
        if let Some(byte) = self.bytes.get_mut(place) {
            *byte ^= 1 << (bit % 8);
            self.hurt = Some(Hurt::Corrupt);
        }
    }

    /// S39: a replay of the whole segment gives the same effects, and the state that is there.
    ///
    /// # Errors
    /// What differs.
    pub(super) fn replays_as(&mut self, host: &Host) -> Result<(), String> {
        if self.gap || self.hurt.is_some() {
            return Ok(());
        }
        self.flush();
        let mut diverged = None;
        let replayed = replay(&self.bytes, |divergence| {
            diverged.get_or_insert_with(|| format!("S39: a replay does otherwise: {divergence}"));
        });
        let replayed = replayed.map_err(|error| format!("J04: the journal cannot be read: {error}"))?;
        if replayed.effects != self.effects {
            diverged.get_or_insert_with(|| "S39: a replay does otherwise after the last input".to_owned());
        }
        if replayed.host != *host {
            diverged.get_or_insert_with(|| "S39: a replay gives another state".to_owned());
        }
        diverged.map_or(Ok(()), Err)
    }

    /// The segment as a driver would have written it that also tells, after every input, what changed of the
    /// Facts of a pool; made afterwards, because only another version of the supervisor wants to know.
    pub(super) fn with_facts(&mut self) -> Vec<u8> {
        self.flush();
        let Ok(mut told) = Replay::begin(&self.bytes) else { return self.bytes.clone() };
        let mut header = Header::new(self.epoch, self.number);
        header.logic_version += 1;
        let mut writer = Writer::begin(&header);
        let facts = told.host().facts();
        writer.facts(&facts);
        let mut known: BTreeMap<PoolUid, PoolFacts> =
            facts.pools.into_iter().map(|pool| (PoolUid(pool.uid), lasting(pool))).collect();
        let mut effects = EffectHash::default();
        let mut inputs = 0;
        loop {
            let due = told.host().poll_timeout().and_then(|(_, pool, _)| pool);
            let Ok(Some(step)) = told.step() else { break };
            inputs += 1;
            writer.input(step.place.at, &step.input, effects);
            effects = effects.after(&step.effects);
            if !(self.facts_lag && inputs == self.inputs) {
                tell_changes(&mut writer, &mut known, told.host(), &step, due);
            }
        }
        writer.take()
    }

    /// Whether a hash is that of every effect so far.
    pub(super) fn ends_with(&self, effects: EffectHash) -> bool {
        HashCheck::Full(self.effects).fits(effects)
    }
}

/// Records the Facts of the pools a step was about, where more changed than comes and goes. `due`: whose deadline a
/// timer would have fired.
fn tell_changes(
    writer: &mut Writer,
    known: &mut BTreeMap<PoolUid, PoolFacts>,
    host: &Host,
    step: &Step,
    due: Option<PoolUid>,
) {
    let of_effects = step.effects.iter().filter_map(Effect::pool);
    let of_events = step.events.iter().filter_map(|event| event.pool);
    let mut pools: Vec<PoolUid> = of_effects.chain(of_events).collect();
    pools.extend(about(&step.input, host, due));
    pools.sort_unstable();
    pools.dedup();
    for uid in pools {
        let update = host.facts_update(uid);
        let now = update.pool.clone().map(lasting);
        if known.get(&uid) != now.as_ref() {
            writer.facts_update(&update);
            match now {
                Some(facts) => known.insert(uid, facts),
                None => known.remove(&uid),
            };
        }
    }
}

fn about(input: &Input, host: &Host, due: Option<PoolUid>) -> Vec<PoolUid> {
    match input {
        Input::Command { pool, .. } => vec![*pool],
        Input::Completed { effect, .. } => vec![effect.pool],
        Input::Exited { engine, .. } => vec![engine.pool],
        Input::Timer => due.into_iter().collect(),
        Input::Gap { .. }
        | Input::Register { .. }
        | Input::Resume(_)
        | Input::Shutdown { .. }
        | Input::Stalled => host.view().pools().map(|pool| pool.uid).collect(),
        Input::GpuFault { .. }
        | Input::LeaseAsk { .. }
        | Input::LeaseEnd { .. }
        | Input::LeaseRenew { .. }
        | Input::LeaseWithdraw { .. }
        | Input::LogLine { .. }
        | Input::StageProgress { .. } => Vec::new(),
    }
}

/// Without what changes all the time: leases are counted by their inputs, a heartbeat is soon renewed.
fn lasting(mut facts: PoolFacts) -> PoolFacts {
    facts.leases = Default::default();
    facts.heartbeat_nanos = None;
    facts
}
