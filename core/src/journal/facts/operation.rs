//! The operation of a pool in Facts: whoever asked for it can ask what became of it. Read the rules in the parent
//! module.

use serde::{Deserialize, Serialize};

use super::if_known;
use crate::operation::OperationKind;

/// An operation that runs. How far it is is not known: a host made of Facts ends it as interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationFacts {
    /// Its number, host-wide.
    pub id: u64,
    /// What it is; `None` when the word is not known: nobody can be told of it.
    #[serde(deserialize_with = "if_known")]
    pub kind: Option<OperationKind>,
    /// The token of the command that began it.
    pub correlation: [u64; 2],
    /// When it began.
    pub started_nanos: u64,
}
