//! What a command is answered: granted, accepted, or refused with a type and what is known about
//! when to try again.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{LeaseId, OperationId, PoolUid};
use crate::lease::LeaseEnding;
use crate::operation::OperationKind;
use crate::phase::PhaseName;
use crate::time::Time;

/// The one reply to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// An operation runs, or had nothing left to do; its outcome is kept under this id.
    Accepted {
        /// The operation; the running one when the command joined it.
        operation: OperationId,
    },
    /// A lease was granted.
    Granted {
        /// The lease.
        lease: LeaseId,
        /// When it expires; `None`: when the incarnation ends.
        expires: Option<Time>,
    },
    /// It was done; there is nothing to wait for.
    Done,
    /// The lease ended with this command.
    LeaseEnded,
    /// The lease had ended before; harmless.
    LeaseEndedBefore {
        /// How, when it did not complete and is among the last 1024 such.
        how: Option<LeaseEnding>,
    },
    /// The command was not carried out; nothing changed.
    Refused(Refusal),
    /// The pool is known.
    Registered {
        /// Its uid.
        pool: PoolUid,
    },
    /// The lease lives longer.
    Renewed {
        /// When it expires now; `None`: when the incarnation ends.
        expires: Option<Time>,
    },
    /// The lease ask was taken back by its own caller.
    Withdrawn,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// A higher operation runs.
    Busy {
        /// The one that runs.
        with: OperationKind,
    },
    /// A circuit is open: no start until it is half-open, reset, or a restart is allowed.
    CircuitOpen {
        /// Until the first trial.
        retry_after: Duration,
    },
    /// The pool takes no new work: it is draining.
    Draining {
        /// Until the drain's deadline.
        retry_after: Duration,
    },
    /// Every slot is taken and the queue is full, or the wait in it was too long.
    Full {
        /// A guess from the queue's wait.
        retry_after: Duration,
    },
    /// The name is taken by another pool.
    NameTaken {
        /// The pool that has it.
        by: PoolUid,
    },
    /// There is no spec to go back to.
    NoPrevious,
    /// There is no drain to take back.
    NotDraining,
    /// The pool is not ready.
    NotReady {
        /// What it is instead.
        phase: PhaseName,
        /// From the gate or load time that is known, else the start time-out.
        retry_after: Duration,
    },
    /// The pool is wanted down: there is no restart to allow.
    NotWanted,
    /// Another pool uses the port.
    PortTaken {
        /// The port.
        port: u16,
        /// The pool that has it.
        by: PoolUid,
    },
    /// The pool takes no new work: it is being given another model, or restarted.
    Reloading {
        /// From what is known of drain and load.
        retry_after: Duration,
    },
    /// The supervisor is going down.
    ShuttingDown,
    /// The engine has been signalled: the drain cannot be taken back.
    TooLate,
    /// No such lease was ever granted.
    UnknownLease,
    /// No such pool.
    UnknownPool,
}
