//! The simulated world around the real core: virtual time, fake engines, a fake process table and disk,
//! clients with their own books. One seed, one run, to the byte.
//!
//! [`World`] is the entrance. It drives [`Host`](pool_manager_core::Host) exactly as the daemon's driver
//! does, carries out its effects, and asks every oracle after every step; a broken invariant panics with
//! its name and the last steps. Nothing here reads a clock, starts a thread or iterates over a hash map.

mod agenda;
mod canonical;
mod clients;
mod disk;
pub mod draws;
mod engine;
pub mod explore;
pub mod fault;
mod gpu;
mod liveness;
pub mod marks;
mod mishap;
mod network;
mod operator;
mod oracle;
pub mod plan;
mod process_table;
pub mod profile;
mod random;
pub mod rehearsal;
mod release;
pub mod shrink;
mod staging;
mod trace;
mod world;

pub use clients::{Book, Clients, Traffic};
pub use disk::{Content, Disk, FileTrouble, StoredFile};
pub use engine::{Ending, EngineHealth, EngineProfile, Hazard, TermBehaviour, Workers};
pub use operator::Operator;
pub use oracle::{Observed, Oracle, Violation};
pub use process_table::{Freeze, Frozen, Process, ProcessTable, Worker};
pub use random::{Entity, Span, Stream};
pub use release::Resources;
pub use staging::{StageTrouble, Staging, StagingAsked, StagingProfile};
pub use trace::{Step, Trace};
pub use world::{
    Crash, CrashPoint, EffectKind, Ends, Executor, InFlight, Latencies, Start, Timers, TurnOrder,
    Unacknowledged, Version, World, WorldConfig, test_pool,
};
