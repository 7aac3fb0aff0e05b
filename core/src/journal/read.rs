//! Reading a segment: record by record with [`Reader`], or all of it at once with [`fold`], which needs no
//! more than Facts. Total: whatever the bytes are, the answer is a record, an end or an error that says where.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bytes::Cursor;
use super::error::{Fault, ReadError};
use super::facts::{Facts, FactsUpdate};
use super::frame::{Frame, Frames, Kind, put_frame, put_preamble};
use super::hash::{EffectHash, HashCheck};
use super::pack::{Baseline, unpack};
use super::{FACTS_VERSION, LOGIC_VERSION};
use crate::host::Host;
use crate::input::Input;
use crate::time::Time;

/// Who wrote a segment, and where. JSON, like Facts, and under the same rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// [`LOGIC_VERSION`] of the writer: State and inputs are for this version alone.
    pub logic_version: u32,
    /// Which start of the supervisor wrote it.
    pub epoch: u32,
    /// Counted from 1 within the state directory.
    pub segment: u64,
    /// The kernel's boot id: core time of another boot does not go on by itself.
    pub boot_id: String,
    /// The machine's id: a copied state directory is noticed by it.
    pub machine_id: String,
    /// Wall time of the beginning, for people.
    pub begun_unix_millis: u64,
    /// [`control_only`] made it.
    pub leases_removed: bool,
}

impl Header {
    /// A header of this version of the logic.
    #[must_use]
    pub fn new(epoch: u32, segment: u64) -> Self {
        Self { logic_version: LOGIC_VERSION, epoch, segment, ..Self::default() }
    }
}

/// A record with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number; the header is 0. Inputs that were packed together share one.
    pub number: u64,
    /// Its first byte.
    pub offset: u64,
    /// What it says.
    pub record: Record,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// All that later versions need.
    Facts(Box<Facts>),
    /// What changed since.
    FactsUpdate(Box<FactsUpdate>),
    /// The whole host.
    State {
        /// The host.
        host: Box<Host>,
        /// The hash over the effects of every input before.
        effects: EffectHash,
    },
    /// Something happened.
    Input(Recorded),
    /// Every input so far was handled and its effects were handed out.
    Mark {
        /// The hash over all of them.
        effects: EffectHash,
    },
}

/// An input as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When it was handled.
    pub at: Time,
    /// The hash over the effects of every input before it.
    pub before: HashCheck,
    /// What happened.
    pub input: Input,
}

/// The records of a segment, in order.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    header: Header,
    frames: Frames<'a>,
    base: Baseline,
    unpacked: VecDeque<Entry>,
    torn: Option<ReadError>,
    over: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`ReadError`] when these bytes are no journal, or one of a later format, or damaged in the header.
    pub fn new(segment: &'a [u8]) -> Result<Self, ReadError> {
        let (header, frames) = open(segment)?;
        let base = Baseline::default();
        Ok(Self { header, frames, base, unpacked: VecDeque::new(), torn: None, over: false })
    }

    /// Who wrote the segment.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// After the last record: what is left of one whose writing was cut short.
    #[must_use]
    pub const fn torn(&self) -> Option<&ReadError> {
        self.torn.as_ref()
    }

    /// Where the next record begins: (offset, number).
    pub(super) const fn place(&self) -> (u64, u64) {
        self.frames.place()
    }

    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        if let Some(entry) = self.unpacked.pop_front() {
            return Ok(Some(entry));
        }
        let frame = match self.frames.next() {
            Ok(frame) => frame,
            Err(torn @ ReadError { fault: Fault::Torn { .. }, .. }) => {
                self.torn = Some(torn);
                None
            }
            Err(error) => return Err(error),
        };
        let Some(frame) = frame else { return Ok(None) };
        let entry = |record| Entry { number: frame.number, offset: frame.offset, record };
        let record = match self.kind_of(&frame)? {
            Kind::Header => return Err(undecodable(&frame, "a second header", "one is enough")),
            Kind::Facts => Record::Facts(Box::new(facts_of(&frame)?)),
            Kind::FactsUpdate => Record::FactsUpdate(Box::new(update_of(&frame)?)),
            Kind::State => state_of(&frame)?,
            Kind::Input => {
                let recorded = input_of(&frame)?;
                self.base.at = recorded.at;
                Record::Input(recorded)
            }
            Kind::Leases => {
                let inputs = unpack(&mut self.base, frame.payload);
                let inputs = inputs.map_err(|_| undecodable(&frame, "a batch of lease inputs", MALFORMED))?;
                self.unpacked = inputs.into_iter().map(|input| entry(Record::Input(input))).collect();
                return Ok(self.unpacked.pop_front());
            }
            Kind::Mark => Record::Mark { effects: mark_of(&frame)? },
        };
        Ok(Some(entry(record)))
    }

    fn kind_of(&self, frame: &Frame<'_>) -> Result<Kind, ReadError> {
        let kind =
            Kind::of(frame.kind).ok_or_else(|| frame.error(Fault::UnknownKind { kind: frame.kind }))?;
        match kind {
            Kind::State | Kind::Input | Kind::Leases if self.header.logic_version != LOGIC_VERSION => {
                Err(frame.error(Fault::OtherLogic { found: self.header.logic_version }))
            }
            Kind::Header
            | Kind::Facts
            | Kind::FactsUpdate
            | Kind::State
            | Kind::Input
            | Kind::Leases
            | Kind::Mark => Ok(kind),
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Entry, ReadError>;

    /// After an error there is nothing more; a torn end is no error, see [`Reader::torn`].
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.read();
        self.over = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// The latest Facts of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// Who wrote it.
    pub header: Header,
    /// The Facts, with every change after them.
    pub facts: Facts,
    /// What ended the reading before the end: these Facts are as of there.
    pub cut_short: Option<ReadError>,
}

/// Facts without replay: for a segment of another version of the logic, or one that cannot be replayed. Lease
/// asks are counted into [`LeaseFacts::asked_since`](super::LeaseFacts::asked_since), and leases whose holders
/// ended them are taken out; what else became of leases since the last Facts of their pool is not known.
///
/// # Errors
/// [`ReadError`] when there are no Facts that can be read. Damage after them is in [`Folded::cut_short`].
pub fn fold(segment: &[u8]) -> Result<Folded, ReadError> {
    let (header, mut frames) = open(segment)?;
    let mut base = Baseline::default();
    let mut facts = None;
    let cut_short = loop {
        let step = match frames.next() {
            Ok(Some(frame)) => fold_one(&frame, &mut base, &mut facts),
            Ok(None) => break None,
            Err(error) => Err(error),
        };
        if let Err(error) = step {
            break Some(error);
        }
    };
    match (facts, cut_short) {
        (Some(facts), cut_short) => Ok(Folded { header, facts, cut_short }),
        (None, Some(error)) => Err(error),
        (None, None) => Err(frames.error(Fault::NoFacts)),
    }
}

fn fold_one(frame: &Frame<'_>, base: &mut Baseline, facts: &mut Option<Facts>) -> Result<(), ReadError> {
    match Kind::of(frame.kind) {
        Some(Kind::Facts) => *facts = Some(facts_of(frame)?),
        Some(Kind::FactsUpdate) => {
            let update = update_of(frame)?;
            facts.as_mut().ok_or_else(|| frame.error(Fault::NoFacts))?.apply(update);
        }
        Some(Kind::Leases) => {
            let inputs = unpack(base, frame.payload);
            let inputs = inputs.map_err(|_| undecodable(frame, "a batch of lease inputs", MALFORMED))?;
            for recorded in inputs {
                count_lease(facts.as_mut(), &recorded.input);
            }
        }
        // A later version's kinds say nothing about Facts, or Facts would have another version.
        Some(Kind::Header | Kind::State | Kind::Input | Kind::Mark) | None => {}
    }
    Ok(())
}

fn count_lease(facts: Option<&mut Facts>, input: &Input) {
    let Some(facts) = facts else { return };
    if let Input::LeaseAsk { pool, .. } = input
        && let Some(pool) = facts.pool_mut(pool.0)
    {
        pool.leases.asked_since = pool.leases.asked_since.saturating_add(1);
    }
    if let Input::LeaseEnd { lease, .. } = input
        && let Some(pool) = facts.pool_mut(lease.engine.pool.0)
    {
        let before = pool.leases.active.len();
        pool.leases.active.retain(|active| !active.is(*lease));
        let ended = before.saturating_sub(pool.leases.active.len());
        pool.leases.completed = pool.leases.completed.saturating_add(ended as u64);
    }
}

/// The segment without its lease inputs, timers and States: what is kept of an old one. It can be read and
/// folded, and not be replayed.
///
/// # Errors
/// [`ReadError`] when the segment is damaged; a torn end is left out.
pub fn control_only(segment: &[u8]) -> Result<Vec<u8>, ReadError> {
    let folded = fold(segment)?;
    let (header, mut frames) = open(segment)?;
    let mut out = Vec::new();
    put_preamble(&mut out);
    let header = Header { leases_removed: true, ..header };
    put_json(&mut out, Kind::Header, &header);
    loop {
        let frame = match frames.next() {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(ReadError { fault: Fault::Torn { .. }, .. }) => break,
            Err(error) => return Err(error),
        };
        match Kind::of(frame.kind) {
            Some(Kind::Header | Kind::State | Kind::Leases) => {}
            Some(Kind::Facts | Kind::FactsUpdate | Kind::Input | Kind::Mark) | None => {
                out.extend_from_slice(frame.whole);
            }
        }
    }
    // The asks that went are counted in what stays.
    put_json(&mut out, Kind::Facts, &folded.facts);
    Ok(out)
}

fn put_json<T: Serialize>(out: &mut Vec<u8>, kind: Kind, value: &T) {
    let text = serde_json::to_vec(value);
    // Plain structs with text keys always become JSON.
    debug_assert!(text.is_ok(), "J03: {kind:?} could not be encoded: {text:?}");
    put_frame(out, kind, &text.unwrap_or_default());
}

const MALFORMED: &str = "malformed";

fn open(segment: &[u8]) -> Result<(Header, Frames<'_>), ReadError> {
    let mut frames = Frames::new(segment)?;
    let damaged = frames.error(Fault::HeaderDamaged);
    let frame = frames.next().ok().flatten().filter(|frame| frame.kind == Kind::Header as u8);
    let frame = frame.ok_or_else(|| damaged.clone())?;
    let header = serde_json::from_slice(frame.payload).map_err(|_| damaged)?;
    Ok((header, frames))
}

fn facts_of(frame: &Frame<'_>) -> Result<Facts, ReadError> {
    let mut facts: Facts = json_of(frame, "facts")?;
    check_facts_version(frame, facts.facts_version)?;
    facts.pools.sort_by_key(|pool| pool.uid);
    Ok(facts)
}

fn update_of(frame: &Frame<'_>) -> Result<FactsUpdate, ReadError> {
    let update: FactsUpdate = json_of(frame, "a change of facts")?;
    check_facts_version(frame, update.facts_version)?;
    Ok(update)
}

fn check_facts_version(frame: &Frame<'_>, found: u32) -> Result<(), ReadError> {
    if found > FACTS_VERSION { Err(frame.error(Fault::NewerFacts { found })) } else { Ok(()) }
}

fn json_of<T: DeserializeOwned>(frame: &Frame<'_>, what: &'static str) -> Result<T, ReadError> {
    serde_json::from_slice(frame.payload).map_err(|error| undecodable(frame, what, &error.to_string()))
}

fn state_of(frame: &Frame<'_>) -> Result<Record, ReadError> {
    let mut cursor = Cursor::new(frame.payload);
    let hash = cursor.fixed().map(u64::from_le_bytes);
    let host = hash.and_then(|hash| Ok((hash, cursor.last()?)));
    let (hash, host) = host.map_err(|_| undecodable(frame, "the state", MALFORMED))?;
    Ok(Record::State { host: Box::new(host), effects: EffectHash::from_u64(hash) })
}

fn input_of(frame: &Frame<'_>) -> Result<Recorded, ReadError> {
    let mut cursor = Cursor::new(frame.payload);
    let mut recorded = || {
        let before = HashCheck::Full(EffectHash::from_u64(u64::from_le_bytes(cursor.fixed()?)));
        Ok(Recorded { at: cursor.take()?, before, input: cursor.last()? })
    };
    recorded().map_err(|_: super::bytes::Malformed| undecodable(frame, "an input", MALFORMED))
}

fn mark_of(frame: &Frame<'_>) -> Result<EffectHash, ReadError> {
    let number = <[u8; 8]>::try_from(frame.payload).map(u64::from_le_bytes);
    number.map(EffectHash::from_u64).map_err(|_| undecodable(frame, "a mark", MALFORMED))
}

fn undecodable(frame: &Frame<'_>, what: &'static str, reason: &str) -> ReadError {
    frame.error(Fault::Undecodable { what, reason: reason.to_string() })
}
