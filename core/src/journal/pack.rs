//! The short form of the inputs that are by far the most frequent: leases and the timer. What an input shares
//! with the one before it is not written. `write` packs, `read` unpacks; both keep a [`Baseline`].
//!
//! ```text
//! batch = hash:u32le item (hash:u8 item)*          (the hash of effects before the item, folded)
//! item  = tag:u8 time:step …                       (tag: three bits of kind, five of what is as before)
//! ```
//! This form belongs to the journal's format, not to the logic: any version can count the asks in it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::bytes::{Cursor, Malformed, put, put_number, put_step};
use super::hash::{EffectHash, HashCheck};
use super::read::Recorded;
use crate::id::{CommandId, Correlation, EngineRef, Holder, Incarnation, LeaseId, PoolUid};
use crate::input::{Input, Priority};
use crate::time::Time;

const KIND: u8 = 0b0000_0111;
const TIMER: u8 = 0;
const LEASE_END: u8 = 1;
const LEASE_RENEW: u8 = 2;
const LEASE_ASK: u8 = 3;
const LEASE_WITHDRAW: u8 = 4;

/// The command is the one after the last.
const NEXT_COMMAND: u8 = 1 << 3;
const SAME_POOL: u8 = 1 << 4;
const SAME_TTL: u8 = 1 << 5;
/// End and renew: the incarnation is the one this pool's last lease had. Ask: the correlation differs from the last
/// in its second half only.
const SAME_REST: u8 = 1 << 6;
/// An ask of a batch job.
const BATCH: u8 = 1 << 7;

/// What the next item is compared with. Equal at the writer and the reader after equal records.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    /// Also moved by records that are not packed.
    pub(super) at: Time,
    command: u64,
    pool: PoolUid,
    ttl: Option<Duration>,
    correlation: Correlation,
    /// Of each pool, the last lease that an item was about.
    leases: BTreeMap<PoolUid, (Incarnation, u64)>,
    holders: Vec<Holder>,
    places: BTreeMap<Holder, u64>,
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            at: Time::ZERO,
            command: 0,
            pool: PoolUid(0),
            ttl: None,
            correlation: Correlation([0, 0]),
            leases: BTreeMap::new(),
            holders: Vec::new(),
            places: BTreeMap::new(),
        }
    }
}

impl Baseline {
    /// More holders than this in one segment, and the list begins anew.
    const MOST_HOLDERS: usize = 4096;

    /// Which list of the two an item needs; both forget together.
    fn learn_holder(&mut self, holder: Holder) {
        if self.holders.len() == Self::MOST_HOLDERS {
            self.holders.clear();
            self.places.clear();
        }
        self.holders.push(holder);
        self.places.insert(holder, self.holders.len() as u64);
    }

    fn next_command(&self) -> u64 {
        self.command.wrapping_add(1)
    }

    fn lease_of(&self, pool: PoolUid) -> (Incarnation, u64) {
        self.leases.get(&pool).copied().unwrap_or((Incarnation { epoch: 0, n: 0 }, 0))
    }
}

/// Inputs packed and not yet written.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
}

impl Batch {
    /// Packs an input; `false`: it is of a kind that has no short form.
    pub(super) fn pack(&mut self, base: &mut Baseline, at: Time, input: &Input, before: EffectHash) -> bool {
        let Some(kind) = kind_of(input) else { return false };
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&before.short().to_le_bytes());
        } else {
            self.bytes.push(before.tiny());
        }
        let place_of_tag = self.bytes.len();
        self.bytes.push(kind);
        let mut item = Item { tag: kind, rest: &mut self.bytes };
        put_step(item.rest, base.at.as_nanos(), at.as_nanos());
        base.at = at;
        item.put_input(base, input);
        let tag = item.tag;
        if let Some(place) = self.bytes.get_mut(place_of_tag) {
            *place = tag;
        }
        true
    }
}

const fn kind_of(input: &Input) -> Option<u8> {
    match input {
        Input::Timer => Some(TIMER),
        Input::LeaseEnd { .. } => Some(LEASE_END),
        Input::LeaseRenew { .. } => Some(LEASE_RENEW),
        Input::LeaseAsk { .. } => Some(LEASE_ASK),
        Input::LeaseWithdraw { .. } => Some(LEASE_WITHDRAW),
        Input::Command { .. }
        | Input::Completed { .. }
        | Input::Exited { .. }
        | Input::Gap { .. }
        | Input::GpuFault { .. }
        | Input::LogLine { .. }
        | Input::Register { .. }
        | Input::Resume(_)
        | Input::Shutdown { .. }
        | Input::StageProgress { .. }
        | Input::Stalled => None,
    }
}

/// An item as it grows: what is as before becomes a bit of the tag.
struct Item<'a> {
    tag: u8,
    rest: &'a mut Vec<u8>,
}

impl Item<'_> {
    fn put_input(&mut self, base: &mut Baseline, input: &Input) {
        match input {
            Input::LeaseEnd { command, lease } => {
                self.put_command(base, *command);
                self.put_lease(base, *lease);
            }
            Input::LeaseRenew { command, lease, ttl } => {
                self.put_command(base, *command);
                self.put_lease(base, *lease);
                self.put_ttl(base, *ttl);
            }
            Input::LeaseAsk { command, correlation, pool, holder, priority, ttl } => {
                self.put_command(base, *command);
                self.put_pool(base, *pool);
                self.put_ttl(base, *ttl);
                self.put_correlation(base, *correlation);
                self.put_holder(base, *holder);
                self.tag |= match priority {
                    Priority::Batch => BATCH,
                    Priority::Interactive => 0,
                };
            }
            Input::LeaseWithdraw { pool, ask } => {
                // About an earlier command: the count of commands goes on where it was.
                put_step(self.rest, base.command, ask.0);
                self.put_pool(base, *pool);
            }
            Input::Timer
            | Input::Command { .. }
            | Input::Completed { .. }
            | Input::Exited { .. }
            | Input::Gap { .. }
            | Input::GpuFault { .. }
            | Input::LogLine { .. }
            | Input::Register { .. }
            | Input::Resume(_)
            | Input::Shutdown { .. }
            | Input::StageProgress { .. }
            | Input::Stalled => {}
        }
    }

    fn put_command(&mut self, base: &mut Baseline, command: CommandId) {
        if command.0 == base.next_command() {
            self.tag |= NEXT_COMMAND;
        } else {
            put_step(self.rest, base.command, command.0);
        }
        base.command = command.0;
    }

    fn put_pool(&mut self, base: &mut Baseline, pool: PoolUid) {
        if pool == base.pool {
            self.tag |= SAME_POOL;
        } else {
            put_number(self.rest, pool.0.into());
        }
        base.pool = pool;
    }

    fn put_lease(&mut self, base: &mut Baseline, lease: LeaseId) {
        let EngineRef { pool, incarnation } = lease.engine;
        self.put_pool(base, pool);
        let (last_incarnation, last_sequence) = base.lease_of(pool);
        if incarnation == last_incarnation {
            self.tag |= SAME_REST;
        } else {
            put(self.rest, &incarnation);
        }
        put_step(self.rest, last_sequence, lease.sequence);
        base.leases.insert(pool, (incarnation, lease.sequence));
    }

    fn put_ttl(&mut self, base: &mut Baseline, ttl: Option<Duration>) {
        if ttl == base.ttl {
            self.tag |= SAME_TTL;
        } else {
            put(self.rest, &ttl);
        }
        base.ttl = ttl;
    }

    fn put_correlation(&mut self, base: &mut Baseline, correlation: Correlation) {
        let ([first, second], [last_first, last_second]) = (correlation.0, base.correlation.0);
        if first == last_first {
            self.tag |= SAME_REST;
            put_step(self.rest, last_second, second);
        } else {
            self.put_token(correlation.0);
        }
        base.correlation = correlation;
    }

    fn put_holder(&mut self, base: &mut Baseline, holder: Holder) {
        if let Some(place) = base.places.get(&holder) {
            put_number(self.rest, *place);
        } else {
            put_number(self.rest, 0);
            self.put_token(holder.0);
            base.learn_holder(holder);
        }
    }

    fn put_token(&mut self, halves: [u64; 2]) {
        for half in halves {
            self.rest.extend_from_slice(&half.to_le_bytes());
        }
    }
}

/// Unpacks a batch.
pub(super) fn unpack(base: &mut Baseline, payload: &[u8]) -> Result<Vec<Recorded>, Malformed> {
    let mut cursor = Cursor::new(payload);
    let mut check = HashCheck::Short(u32::from_le_bytes(cursor.fixed()?));
    let mut inputs = Vec::new();
    loop {
        let [tag] = cursor.fixed()?;
        base.at = Time::from_nanos(cursor.step(base.at.as_nanos())?);
        let input = unpack_input(base, tag, &mut cursor)?;
        inputs.push(Recorded { at: base.at, before: check, input });
        if cursor.is_empty() {
            return Ok(inputs);
        }
        let [tiny] = cursor.fixed()?;
        check = HashCheck::Tiny(tiny);
    }
}

fn unpack_input(base: &mut Baseline, tag: u8, cursor: &mut Cursor<'_>) -> Result<Input, Malformed> {
    match tag & KIND {
        TIMER => Ok(Input::Timer),
        LEASE_END => {
            let command = take_command(base, tag, cursor)?;
            Ok(Input::LeaseEnd { command, lease: take_lease(base, tag, cursor)? })
        }
        LEASE_RENEW => {
            let command = take_command(base, tag, cursor)?;
            let lease = take_lease(base, tag, cursor)?;
            Ok(Input::LeaseRenew { command, lease, ttl: take_ttl(base, tag, cursor)? })
        }
        LEASE_ASK => {
            let command = take_command(base, tag, cursor)?;
            let pool = take_pool(base, tag, cursor)?;
            let ttl = take_ttl(base, tag, cursor)?;
            let correlation = take_correlation(base, tag, cursor)?;
            let holder = take_holder(base, cursor)?;
            let priority = if tag & BATCH == 0 { Priority::Interactive } else { Priority::Batch };
            Ok(Input::LeaseAsk { command, correlation, pool, holder, priority, ttl })
        }
        LEASE_WITHDRAW => {
            let ask = CommandId(cursor.step(base.command)?);
            Ok(Input::LeaseWithdraw { pool: take_pool(base, tag, cursor)?, ask })
        }
        _ => Err(Malformed),
    }
}

fn take_command(base: &mut Baseline, tag: u8, cursor: &mut Cursor<'_>) -> Result<CommandId, Malformed> {
    base.command = if tag & NEXT_COMMAND == 0 { cursor.step(base.command)? } else { base.next_command() };
    Ok(CommandId(base.command))
}

fn take_pool(base: &mut Baseline, tag: u8, cursor: &mut Cursor<'_>) -> Result<PoolUid, Malformed> {
    if tag & SAME_POOL == 0 {
        base.pool = cursor.take()?;
    }
    Ok(base.pool)
}

fn take_lease(base: &mut Baseline, tag: u8, cursor: &mut Cursor<'_>) -> Result<LeaseId, Malformed> {
    let pool = take_pool(base, tag, cursor)?;
    let (last_incarnation, last_sequence) = base.lease_of(pool);
    let incarnation = if tag & SAME_REST == 0 { cursor.take()? } else { last_incarnation };
    let sequence = cursor.step(last_sequence)?;
    base.leases.insert(pool, (incarnation, sequence));
    Ok(LeaseId { engine: EngineRef { pool, incarnation }, sequence })
}

fn take_ttl(base: &mut Baseline, tag: u8, cursor: &mut Cursor<'_>) -> Result<Option<Duration>, Malformed> {
    if tag & SAME_TTL == 0 {
        base.ttl = cursor.take()?;
    }
    Ok(base.ttl)
}

fn take_correlation(base: &mut Baseline, tag: u8, cursor: &mut Cursor<'_>) -> Result<Correlation, Malformed> {
    let [first, second] = base.correlation.0;
    base.correlation =
        Correlation(if tag & SAME_REST == 0 { take_token(cursor)? } else { [first, cursor.step(second)?] });
    Ok(base.correlation)
}

fn take_holder(base: &mut Baseline, cursor: &mut Cursor<'_>) -> Result<Holder, Malformed> {
    let Some(place) = cursor.number()?.checked_sub(1) else {
        let holder = Holder(take_token(cursor)?);
        base.learn_holder(holder);
        return Ok(holder);
    };
    let place = usize::try_from(place).map_err(|_| Malformed)?;
    base.holders.get(place).copied().ok_or(Malformed)
}

fn take_token(cursor: &mut Cursor<'_>) -> Result<[u64; 2], Malformed> {
    Ok([u64::from_le_bytes(cursor.fixed()?), u64::from_le_bytes(cursor.fixed()?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINE: EngineRef = EngineRef { pool: PoolUid(3), incarnation: Incarnation { epoch: 2, n: 9 } };

    fn end(n: u64) -> Input {
        Input::LeaseEnd { command: CommandId(n), lease: LeaseId { engine: ENGINE, sequence: n } }
    }

    #[test]
    fn what_is_as_before_costs_nothing() {
        let (mut base, mut batch) = (Baseline::default(), Batch::default());
        let at = Time::from_nanos(1 << 50);
        for n in 1..=2 {
            assert!(batch.pack(&mut base, at, &end(n), EffectHash::BEGIN));
        }
        let before = batch.bytes.len();
        assert!(batch.pack(&mut base, at, &end(3), EffectHash::BEGIN));
        assert_eq!(batch.bytes.len() - before, 4, "hash, tag, time, sequence");
        let inputs = unpack(&mut Baseline::default(), &batch.bytes).unwrap();
        assert_eq!(inputs.last().map(|last| (last.at, &last.input)), Some((at, &end(3))));
    }

    #[test]
    fn a_holder_is_written_once_also_when_the_list_begins_anew() {
        let (mut base, mut batch) = (Baseline::default(), Batch::default());
        let ask = |n: u64| Input::LeaseAsk {
            command: CommandId(n),
            correlation: Correlation([0, n]),
            pool: PoolUid(3),
            holder: Holder([n % 5000, n % 5000]),
            priority: Priority::Interactive,
            ttl: None,
        };
        for n in 0..12_000 {
            batch.pack(&mut base, Time::ZERO, &ask(n), EffectHash::BEGIN);
        }
        let inputs = unpack(&mut Baseline::default(), &batch.bytes).unwrap();
        assert!(inputs.iter().zip(0..).all(|(recorded, n)| recorded.input == ask(n)));
        assert!(base.holders.len() <= Baseline::MOST_HOLDERS && base.places.len() == base.holders.len());
        let before = batch.bytes.len();
        batch.pack(&mut base, Time::ZERO, &ask(11_999), EffectHash::BEGIN);
        assert!(batch.bytes.len() - before < 9, "the holder is known");
    }

    #[test]
    fn an_unknown_kind_and_a_cut_item_are_malformed() {
        for payload in [&[0, 0, 0][..], &[0; 4], &[0, 0, 0, 0, 7, 0], &[0, 0, 0, 0, LEASE_END, 0]] {
            assert_eq!(unpack(&mut Baseline::default(), payload), Err(Malformed));
        }
    }
}
