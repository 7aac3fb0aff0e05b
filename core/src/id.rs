//! Names for everything the core talks about. None of them is ever reused.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// The name an operator gave a pool: its key in the config file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolName(String);

impl PoolName {
    /// A name of 1 to 63 characters: lower- and upper-case letters, digits, `-`, `_` and `.`,
    /// not starting with `.` (it becomes a directory name and a metric label).
    ///
    /// # Errors
    /// [`InvalidPoolName`] for anything else.
    pub fn new(name: &str) -> Result<Self, InvalidPoolName> {
        let fits = !name.is_empty() && name.len() <= 63 && !name.starts_with('.');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if fits && name.chars().all(plain) { Ok(Self(name.into())) } else { Err(InvalidPoolName) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a [`PoolName`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPoolName;

impl fmt::Display for InvalidPoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pool name is 1 to 63 letters, digits, '-', '_' or '.', and does not start with '.'")
    }
}

impl core::error::Error for InvalidPoolName {}

/// What the host calls a pool inside; not reused after a pool was deregistered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolUid(pub u32);

impl fmt::Display for PoolUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One run of an engine: the supervisor's start (`epoch`) and a number within it (`n`, from 1).
///
/// The epoch rises durably at every start of the supervisor, so no incarnation is named twice even
/// when the last records of the previous start were lost with the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    /// Which start of the supervisor spawned it.
    pub epoch: u32,
    /// Counted per pool from 1.
    pub n: u32,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.n)
    }
}

/// The only way to name an engine process: no pid is ever used to address one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EngineRef {
    /// The pool it serves.
    pub pool: PoolUid,
    /// Which run of the pool's engine.
    pub incarnation: Incarnation,
}

impl fmt::Display for EngineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.incarnation)
    }
}

/// One effect that will be completed; completions carry it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectId {
    /// The pool that asked for it.
    pub pool: PoolUid,
    /// Counted per pool from 1.
    pub sequence: u64,
}

/// One command of an operator or a router; its [`Reply`](crate::Effect::Reply) carries it back.
/// The driver chooses the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub u64);

/// A 128-bit token that follows one request through log, events and journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Correlation(pub [u64; 2]);

/// Who holds a lease: a 128-bit token; the edge maps it to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holder(pub [u64; 2]);

/// One long-running command on a pool; asked for later by this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One lease: a unit of work in flight, pinned to the incarnation that serves it.
///
/// Its text form is `<pool>-<epoch>-<n>-<sequence>`, all decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseId {
    /// The engine that does the work.
    pub engine: EngineRef,
    /// Counted per pool from 1.
    pub sequence: u64,
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EngineRef { pool, incarnation } = self.engine;
        write!(f, "{pool}-{}-{}-{}", incarnation.epoch, incarnation.n, self.sequence)
    }
}

impl core::str::FromStr for LeaseId {
    type Err = InvalidLeaseId;

    fn from_str(text: &str) -> Result<Self, InvalidLeaseId> {
        let mut parts = text.split('-');
        let mut number = |max: u64| {
            let part = parts.next().filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|part| part.parse::<u64>().ok())
                .filter(|number| *number <= max)
                .ok_or(InvalidLeaseId)
        };
        let narrow = |wide: u64| u32::try_from(wide).map_err(|_| InvalidLeaseId);
        let limit = u64::from(u32::MAX);
        let pool = PoolUid(narrow(number(limit)?)?);
        let incarnation = Incarnation { epoch: narrow(number(limit)?)?, n: narrow(number(limit)?)? };
        let sequence = number(u64::MAX)?;
        if parts.next().is_some() {
            return Err(InvalidLeaseId);
        }
        Ok(Self { engine: EngineRef { pool, incarnation }, sequence })
    }
}

/// Why a [`LeaseId`] could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLeaseId;

impl fmt::Display for InvalidLeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a lease id has the form <pool>-<epoch>-<n>-<sequence>")
    }
}

impl core::error::Error for InvalidLeaseId {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn lease_id_reads_back_what_it_shows() {
        let engine = EngineRef { pool: PoolUid(3), incarnation: Incarnation { epoch: 2, n: 14 } };
        let id = LeaseId { engine, sequence: u64::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn lease_id_refuses_what_it_would_not_show() {
        for text in ["", "1-2-3", "1-2-3-4-5", "1-2-3-x", "4294967296-1-1-1", "-1-1-1-1", "+1-1-1-1"] {
            assert_eq!(text.parse::<LeaseId>(), Err(InvalidLeaseId), "{text}");
        }
    }

    #[test]
    fn pool_names_are_safe_as_directory_and_label() {
        assert!(PoolName::new("llama-7b_v1.2").is_ok());
        for name in ["", "..", ".hidden", "a/b", "a b", "ü", &"x".repeat(64)] {
            assert_eq!(PoolName::new(name), Err(InvalidPoolName), "{name}");
        }
    }
}
