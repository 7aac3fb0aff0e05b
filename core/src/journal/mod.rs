//! The journal's codec: what the supervisor must know again after it was ended, and what an incident is replayed
//! from. Bytes in, bytes out: the runtime has the files, the simulator keeps the bytes.
//!
//! A segment is a [`Header`], [`Facts`], the State (the whole [`Host`](crate::Host)), and then what happens: inputs, each
//! recorded before it is handled, and what changed of the Facts.
//!
//! | record | encoding | for | bytes, as measured by `tests/journal.rs` |
//! |---|---|---|---|
//! | header | JSON | ever | 211 |
//! | Facts, and a change of them | JSON | ever | 3400 a pool that has lived, of which 1500 are its policy |
//! | State | postcard | one logic version | 695 with one fresh pool |
//! | input | time and hash in full, postcard | one logic version | 29 a probe's answer, 51 a command |
//! | leases: lease inputs and timers, packed | see `pack.rs` | inputs of one logic version, but any can count the asks | see below |
//! | mark | hash | one logic version | 14 |
//!
//! Packed, one driver turn is one record of 10 bytes (kind, length, checksum, half of the hash) and its items. An
//! ask or an end is 5 bytes where little is new (tag, time, sequence or holder and correlation, an eighth of
//! the hash), 4 bytes more if it is the first in its turn (time in nanoseconds since the last record). Measured, asks
//! and ends in turn over four pools: 15.7 bytes each alone in its turn, 5.9 with 8 a turn, 4.7 with 64; a
//! timer alone 15, of 8 in a turn 4.4. An ask whose correlation is not a step from the last one's costs 15 more, a
//! holder that the segment has not seen 16.
//!
//! **Versions.** [`LOGIC_VERSION`] rises whenever the same State and inputs no longer give the same effects, or State or
//! [`Input`](crate::Input) are encoded otherwise: `tests/journal.rs` fails until it does. State and inputs are then another
//! program's; [`fold`] gives the Facts. [`FORMAT`] rises when framing does.
//!
//! **Errors.** A torn end is what a crash leaves and no error: [`Reader::torn`]. Everything else is a [`ReadError`].

mod bytes;
mod error;
mod facts;
mod frame;
mod hash;
mod pack;
mod read;
mod replay;
mod write;

pub use error::{Fault, ReadError};
pub use facts::{
    ActiveLeaseFacts, CircuitFacts, EngineFacts, FACTS_VERSION, Facts, FactsUpdate, HostFacts,
    IncarnationFacts, LastErrorFacts, LeaseFacts, OperationFacts, PoolFacts, RunFacts, StartedBy,
    SupervisionFacts,
};
pub use hash::{EffectHash, HashCheck};
pub use read::{Entry, Folded, Header, Reader, Record, Recorded, control_only, fold};
pub use replay::{Divergence, InputPlace, Replay, Replayed, Step, input_name, replay};
pub use write::Writer;

/// The version of the framing, of the packed form and of the header.
pub const FORMAT: u16 = 1;

/// The version of everything State and inputs depend on: the state machine and the encoding of both.
pub const LOGIC_VERSION: u32 = 1;
