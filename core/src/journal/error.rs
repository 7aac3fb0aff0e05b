//! What can be wrong with a journal, said to an operator: what, where, and what happens next.

use alloc::string::String;
use core::fmt;

use super::{FORMAT, LOGIC_VERSION};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Byte offset of the record, from the beginning of the segment.
    pub offset: u64,
    /// The record's number; the header is record 0.
    pub record: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was written yet.
    Empty,
    /// The bytes do not begin as a journal does.
    NotAJournal,
    /// A later version wrote it in a form of its own.
    NewerFormat {
        /// The form it has.
        found: u16,
    },
    /// The header cannot be read, so nothing that follows can be trusted.
    HeaderDamaged,
    /// A record in the middle is damaged: others follow it.
    Damaged {
        /// Where the next good record begins; `None`: the search for one was given up.
        next: Option<u64>,
    },
    /// The last record is not whole: the writing of it was cut short.
    Torn {
        /// As many bytes are left of it.
        bytes: u64,
    },
    /// A record of a kind that this version does not know.
    UnknownKind {
        /// The kind's number.
        kind: u8,
    },
    /// A record is whole, but does not say what one of its kind says.
    Undecodable {
        /// What it should be.
        what: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// State and inputs of another version of the logic mean nothing to this one; Facts do.
    OtherLogic {
        /// The version that wrote it.
        found: u32,
    },
    /// Facts of a form that this version would misunderstand.
    NewerFacts {
        /// The form they have.
        found: u32,
    },
    /// There are no Facts where they are needed.
    NoFacts,
    /// There is no State where one is needed.
    NoState,
    /// Lease inputs were removed from this segment: it tells what happened, but cannot be replayed.
    LeasesRemoved,
    /// An input is older than the one before it.
    TimeRunsBack,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal record {} at byte {}: ", self.record, self.offset)?;
        match &self.fault {
            Fault::Empty => f.write_str("nothing was recorded in this segment; the one before it is used"),
            Fault::NotAJournal => f.write_str("this is not a journal; it is left alone, name another file"),
            Fault::NewerFormat { found } => write!(
                f,
                "written in format {found}, this version reads up to {FORMAT}; it is left alone, \
                 start the version that wrote it"
            ),
            Fault::HeaderDamaged => {
                f.write_str("the header is damaged; nothing of this segment is used, the one before it is")
            }
            Fault::Damaged { next: Some(next) } => write!(
                f,
                "damaged, and good records follow from byte {next}; what was recorded from here on is not \
                 replayed, the facts before it are used; check the disk"
            ),
            Fault::Damaged { next: None } => f.write_str(
                "damaged, and too much follows to search; what was recorded from here on is not replayed, \
                 the facts before it are used; check the disk",
            ),
            Fault::Torn { bytes } => write!(
                f,
                "the last write was cut short ({bytes} bytes are left of it); \
                 everything before it is whole and used"
            ),
            Fault::UnknownKind { kind } => write!(
                f,
                "its kind {kind} is not known, a later version wrote it; nothing from here on is replayed, \
                 the facts are used"
            ),
            Fault::Undecodable { what, reason } => write!(
                f,
                "{what} cannot be decoded ({reason}) although its checksum is right; \
                 nothing from here on is replayed, the facts before it are used; please report this as a bug"
            ),
            Fault::OtherLogic { found } => write!(
                f,
                "state and inputs are of logic version {found}, this is {LOGIC_VERSION}; \
                 the facts are used instead, operations that ran end as interrupted"
            ),
            Fault::NewerFacts { found } => write!(
                f,
                "facts of version {found}, this version reads up to {}; they are not used, \
                 start the version that wrote them",
                super::FACTS_VERSION
            ),
            Fault::NoFacts => {
                f.write_str("no facts up to here; nothing of this segment is used, the one before it is")
            }
            Fault::NoState => f.write_str("no state up to here to replay from; the facts are used instead"),
            Fault::LeasesRemoved => f.write_str(
                "lease inputs were removed from this segment to save room; it can be read, not replayed",
            ),
            Fault::TimeRunsBack => f.write_str(
                "an input is older than the one before it; nothing from here on is replayed, \
                 the facts before it are used; please report this as a bug",
            ),
        }
    }
}

impl core::error::Error for ReadError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_operator_reads_what_where_and_what_next() {
        let torn = ReadError { offset: 812, record: 9, fault: Fault::Torn { bytes: 3 } };
        assert_eq!(
            torn.to_string(),
            "journal record 9 at byte 812: the last write was cut short (3 bytes are left of it); \
             everything before it is whole and used"
        );
    }
}
