//! Frames: how records stand in a segment, and how a torn or damaged one is told from a good one.
//!
//! ```text
//! segment  = "PMJ\n" format:u16le not(format):u16le frame* zero*
//! frame    = kind:u8 length:varint payload crc32:u32le       (the checksum covers all before it)
//! ```
//! Kind 0 does not exist, so the zeros of a preallocated file are its end. Called by `write` and `read`.

use alloc::vec::Vec;

use super::FORMAT;
use super::bytes::{Cursor, put_number};
use super::error::{Fault, ReadError};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Header = 1,
    Facts = 2,
    FactsUpdate = 3,
    State = 4,
    Input = 5,
    Leases = 6,
    Mark = 7,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Header, Self::Facts, Self::FactsUpdate, Self::State, Self::Input, Self::Leases, Self::Mark];

    pub(super) fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

const MAGIC: [u8; 4] = *b"PMJ\n";
/// Magic, format, and its complement.
const PREAMBLE_BYTES: usize = 8;
const CRC_BYTES: usize = 4;
/// The search for a good record after a damaged one looks at so many bytes at most: a second's work.
const SEARCH_BYTES: usize = 256 << 20;

pub(super) fn put_preamble(out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&(!FORMAT).to_le_bytes());
}

pub(super) fn put_frame(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let begin = out.len();
    out.push(kind as u8);
    put_number(out, payload.len() as u64);
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(out.get(begin..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

/// One whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) offset: u64,
    /// Not checked: a later version may have more kinds.
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
    /// As it stands in the segment.
    pub(super) whole: &'a [u8],
}

impl Frame<'_> {
    pub(super) const fn error(&self, fault: Fault) -> ReadError {
        ReadError { offset: self.offset, record: self.number, fault }
    }
}

/// The frames of a segment. After an error there are no more.
#[derive(Clone, Debug)]
pub(super) struct Frames<'a> {
    segment: &'a [u8],
    at: usize,
    number: u64,
    over: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(segment: &'a [u8]) -> Result<Self, ReadError> {
        let refused = |fault| Err(ReadError { offset: 0, record: 0, fault });
        if segment.iter().all(|byte| *byte == 0) {
            return refused(Fault::Empty);
        }
        let Some((preamble, _)) = segment.split_first_chunk::<PREAMBLE_BYTES>() else {
            let begun = MAGIC.starts_with(segment) || segment.starts_with(&MAGIC);
            return refused(if begun { Fault::HeaderDamaged } else { Fault::NotAJournal });
        };
        let [m, a, g, i, low, high, not_low, not_high] = *preamble;
        let (format, complement) = (u16::from_le_bytes([low, high]), u16::from_le_bytes([not_low, not_high]));
        if [m, a, g, i] != MAGIC {
            return refused(Fault::NotAJournal);
        }
        if format != !complement || format == 0 {
            return refused(Fault::HeaderDamaged);
        }
        if format > FORMAT {
            return refused(Fault::NewerFormat { found: format });
        }
        Ok(Self { segment, at: PREAMBLE_BYTES, number: 0, over: false })
    }

    /// Where the next record begins: after the last whole one, when there are no more.
    pub(super) const fn place(&self) -> (u64, u64) {
        (self.at as u64, self.number)
    }

    /// The error that would be reported here.
    pub(super) const fn error(&self, fault: Fault) -> ReadError {
        let (offset, record) = self.place();
        ReadError { offset, record, fault }
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame<'a>>, ReadError> {
        let rest = self.segment.get(self.at..).unwrap_or_default();
        if self.over || rest.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let Some((kind, payload, whole)) = whole_frame(rest) else {
            self.over = true;
            return Err(self.error(torn_or_damaged(rest, self.at)));
        };
        let (offset, number) = self.place();
        self.at += whole.len();
        self.number += 1;
        Ok(Some(Frame { number, offset, kind, payload, whole }))
    }
}

/// Kind, payload and all of the frame that begins here, if it is whole.
fn whole_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, payload, covered) = claimed_frame(bytes)?;
    let (crc, _) = bytes.get(covered.len()..)?.split_first_chunk::<CRC_BYTES>()?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return None;
    }
    Some((kind, payload, bytes.get(..covered.len() + CRC_BYTES)?))
}

/// Kind, payload, and what the checksum covers, if the bytes are long enough for what they claim.
fn claimed_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    if *kind == 0 {
        return None;
    }
    let mut cursor = Cursor::new(rest);
    let length = usize::try_from(cursor.number().ok()?).ok()?;
    let payload = cursor.rest().get(..length)?;
    let head = bytes.len() - cursor.rest().len();
    let covered = bytes.get(..head + length)?;
    let fits = bytes.len() - covered.len() >= CRC_BYTES;
    fits.then_some((*kind, payload, covered))
}

/// A record that is not whole is the torn end when no good one follows.
fn torn_or_damaged(rest: &[u8], at: usize) -> Fault {
    let mut budget = SEARCH_BYTES;
    for place in 1..rest.len() {
        let candidate = rest.get(place..).unwrap_or_default();
        let known = candidate.first().is_some_and(|kind| Kind::of(*kind).is_some());
        let Some((_, _, covered)) = Some(candidate).filter(|_| known).and_then(claimed_frame) else {
            continue;
        };
        let Some(left) = budget.checked_sub(covered.len()) else { return Fault::Damaged { next: None } };
        budget = left;
        if whole_frame(candidate).is_some() {
            return Fault::Damaged { next: Some((at + place) as u64) };
        }
    }
    let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
    Fault::Torn { bytes: (rest.len() - zeros) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Vec<u8> {
        let mut out = Vec::new();
        put_preamble(&mut out);
        put_frame(&mut out, Kind::Mark, b"one");
        put_frame(&mut out, Kind::Facts, &[0; 300]);
        out
    }

    fn read(bytes: &[u8]) -> (Vec<(u8, usize)>, Option<ReadError>) {
        let mut frames = Frames::new(bytes).unwrap();
        let mut read = Vec::new();
        loop {
            match frames.next() {
                Ok(Some(frame)) => read.push((frame.kind, frame.payload.len())),
                Ok(None) => return (read, None),
                Err(error) => return (read, Some(error)),
            }
        }
    }

    #[test]
    fn zeros_after_the_last_frame_are_its_end() {
        let whole = [(Kind::Mark as u8, 3), (Kind::Facts as u8, 300)].to_vec();
        let mut bytes = segment();
        assert_eq!(read(&bytes), (whole.clone(), None));
        bytes.extend([0; 4096]);
        assert_eq!(read(&bytes), (whole, None));
    }

    #[test]
    fn torn_and_damaged_are_told_apart() {
        let whole = segment();
        let second = PREAMBLE_BYTES + 1 + 1 + 3 + CRC_BYTES;
        let (_, torn) = read(&whole[..whole.len() - 1]);
        let bytes = (whole.len() - 1 - second) as u64;
        assert_eq!(torn, Some(ReadError { offset: second as u64, record: 1, fault: Fault::Torn { bytes } }));

        // The file was preallocated; of what is torn, as much is counted as is not zero.
        let mut preallocated = whole.clone();
        preallocated.truncate(second + 3);
        preallocated.extend([0; 1000]);
        let fault = Fault::Torn { bytes: 3 };
        let torn = ReadError { offset: second as u64, record: 1, fault };
        assert_eq!(read(&preallocated).1, Some(torn));

        let mut changed = whole;
        changed[PREAMBLE_BYTES + 2] ^= 1;
        let fault = Fault::Damaged { next: Some(second as u64) };
        let error = ReadError { offset: PREAMBLE_BYTES as u64, record: 0, fault };
        assert_eq!(read(&changed), (Vec::new(), Some(error)));
    }
}
