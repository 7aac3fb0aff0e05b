//! Everything that can happen to a host: commands of people and routers, completions of effects,
//! news of the world, and the timer.
//!
//! The driver feeds these; nothing else changes the host's state.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{CommandId, Correlation, EffectId, EngineRef, Holder, LeaseId, PoolUid};
use crate::spec::{EngineSpec, OnDrainTimeout, PoolSpec};
use crate::verdict::{EvidenceReport, ExitStatus, LogClass};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A command about one pool.
    Command {
        /// Answered with exactly one reply.
        command: CommandId,
        /// Follows the command through logs and events.
        correlation: Correlation,
        /// The pool it is about.
        pool: PoolUid,
        /// What is asked.
        verb: Verb,
    },
    /// An effect came to its end.
    Completed {
        /// Which effect.
        effect: EffectId,
        /// How it ended.
        result: Completion,
    },
    /// An engine process ended and its status was taken.
    Exited {
        /// Which engine.
        engine: EngineRef,
        /// How it ended.
        status: ExitStatus,
    },
    /// The driver of a GPU of the pool's mask reported an error.
    GpuFault {
        /// The pool that may touch it.
        pool: PoolUid,
        /// NVIDIA's number for what happened.
        xid: u32,
    },
    /// The machine was suspended: the clock moved on, no engine did. Deadlines on engines move with
    /// it; promises to people do not.
    Gap {
        /// For how long.
        by: Duration,
    },
    /// Someone asks for a lease.
    LeaseAsk {
        /// Answered with exactly one reply, perhaps after a wait in the queue.
        command: CommandId,
        /// Follows the ask through logs and events.
        correlation: Correlation,
        /// The pool that is to do the work.
        pool: PoolUid,
        /// Who asks.
        holder: Holder,
        /// Which queue it waits in.
        priority: Priority,
        /// Life of the lease; `None`: the pool's default; zero: until the incarnation ends.
        ttl: Option<Duration>,
    },
    /// The work of a lease is done.
    LeaseEnd {
        /// Answered with exactly one reply.
        command: CommandId,
        /// Which lease.
        lease: LeaseId,
    },
    /// A lease is to live longer.
    LeaseRenew {
        /// Answered with exactly one reply.
        command: CommandId,
        /// Which lease.
        lease: LeaseId,
        /// Counted from now; `None`: the pool's default.
        ttl: Option<Duration>,
    },
    /// The caller of a waiting lease ask went away; the ask is answered `withdrawn`, which nobody reads.
    LeaseWithdraw {
        /// The pool it asked.
        pool: PoolUid,
        /// The ask's own command id.
        ask: CommandId,
    },
    /// A live engine logged a line that means something.
    LogLine {
        /// Which engine.
        engine: EngineRef,
        /// What the line says.
        class: LogClass,
        /// Byte offset of the line in the incarnation's log file.
        offset: u64,
    },
    /// A pool is to be known to the host.
    Register {
        /// Answered with exactly one reply.
        command: CommandId,
        /// Follows the command through logs and events.
        correlation: Correlation,
        /// What it is.
        spec: Box<PoolSpec>,
    },
    /// The supervisor was started again with this state: what was under way is closed as interrupted and
    /// asked afresh. Given once, before any other input.
    Resume(Box<Resume>),
    /// Everything is to be drained and stopped, and the supervisor to exit. A second one cuts all
    /// leases and kills what is left.
    Shutdown {
        /// Follows the shutdown through logs and events.
        correlation: Correlation,
    },
    /// Staging moves: its patience begins anew.
    StageProgress {
        /// The staging.
        effect: EffectId,
    },
    /// The driver itself was held up (stopped, frozen, paused) while engines may have run on: what a
    /// probe seemed to say meanwhile does not count.
    Stalled,
    /// The deadline of [`poll_timeout`](crate::Host::poll_timeout) was reached. Fires exactly one
    /// due deadline; harmless when none is due.
    Timer,
}

/// What a command asks of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Let the next automatic start pass backoff, window and circuits, once.
    AllowRestart,
    /// Drain and forget the pool.
    Deregister,
    /// Take no new work, wait for what is in flight, stop.
    Drain {
        /// Longest wait; `None`: the pool's default.
        deadline: Option<Duration>,
    },
    /// Start, and answer when Ready.
    Preload,
    /// Put another model in the place of the one that serves, or leave everything as it was.
    Reload(Box<Reload>),
    /// Close both circuits and forget the failures.
    ResetBreaker,
    /// Drain (giving up at the deadline), then start afresh.
    Restart,
    /// Cut what is in flight and stop now.
    Stop,
    /// Give up a drain that has not yet signalled the engine.
    Undrain,
}

/// What a reload is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// What is to run.
    pub to: ReloadTarget,
    /// Longest drain; `None`: the pool's default.
    pub deadline: Option<Duration>,
    /// What becomes of it when the drain does not end in time; `None`: the pool's default.
    pub on_drain_timeout: Option<OnDrainTimeout>,
    /// Reload also when the same model runs.
    pub force: bool,
}

/// What a reload is to bring about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReloadTarget {
    /// The spec that was committed before the present one.
    Back,
    /// This one.
    Spec(EngineSpec),
}

/// What a supervisor that was started again found of the engines its state knows. One that is in neither
/// list is gone, and nobody can say how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// This start of the supervisor; higher than every one before.
    pub epoch: u32,
    /// Engines that run, and are ours again.
    pub alive: Vec<Adopted>,
    /// Engines that ended meanwhile.
    pub ended: Vec<(EngineRef, ExitStatus)>,
}

/// An engine that outlived the supervisor that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Which.
    pub engine: EngineRef,
    /// Its pid.
    pub pid: u32,
}

/// Which queue a lease ask waits in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Served by every eighth grant, and when nobody interactive waits.
    Batch,
    /// Served first.
    #[default]
    Interactive,
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Completion {
    /// What was found out about an end.
    Evidence(Box<EvidenceReport>),
    /// A PID or handoff file was written or removed.
    FileDone(Result<(), FileError>),
    /// A probe was answered, or not.
    Probed(ProbeAnswer),
    /// What a reload would need, found out before anything is touched.
    Preflighted(Result<Preflight, StageError>),
    /// Whether ports and devices are free for the next engine.
    Released(ReleaseAnswer),
    /// The engine process exists, or could not be made.
    Spawned(Result<Spawned, SpawnError>),
    /// The model is present and verified, or not.
    Staged(Result<ModelStamp, StageError>),
}

/// What is known of a model before it is staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// Which bytes it will be, where that is known already.
    pub stamp: Option<ModelStamp>,
    /// Whether bytes must be fetched, so that staging may take long.
    pub fetch: bool,
}

/// Which bytes a model is: a number made of its digest, or of path, size and time of change where there is no
/// digest. The core only compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelStamp(pub u64);

/// A process that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// Shown to people; never used to address the process.
    pub pid: u32,
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProbeAnswer {
    /// The endpoint answered as a healthy engine must, and its listener belongs to the engine.
    Healthy,
    /// The engine says that it is not ready yet (such as 503 while it loads).
    Loading,
    /// Nothing listens on the port.
    Refused,
    /// A healthy answer, but from a process that is not this engine.
    Stranger,
    /// No answer in time.
    TimedOut,
    /// An answer that is neither healthy nor loading.
    Unhealthy {
        /// The HTTP status, or 0 when the answer was not HTTP.
        status: u16,
    },
}

/// Whether what the last engine used is free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ReleaseAnswer {
    /// The driver cannot be used: it does not fit its library, or is not loaded.
    DriverMismatch,
    /// Ports and devices are free.
    Free,
    /// Something of ours still holds them.
    Held,
    /// A device of the mask is not there.
    NoDevice,
    /// A process that is not ours listens on the port.
    PortStranger {
        /// The port.
        port: u16,
        /// The process that listens, where it may be seen.
        pid: Option<u32>,
    },
}

/// Why a process could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpawnError {
    /// The program or its directory may not be used (EACCES, EPERM).
    Denied,
    /// Anything else: the operating system's error number.
    Io(i32),
    /// The program is not there (ENOENT, ENOTDIR), or is not a program (ENOEXEC).
    NotFound,
    /// No memory, process slot or descriptor (ENOMEM, EAGAIN, EMFILE).
    NoResources,
    /// No answer within the core's own deadline.
    TimedOut,
}

/// Why a model is not staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageError {
    /// Its bytes do not add up to the digest that was stated.
    BadDigest,
    /// It has not the size that was stated.
    BadSize,
    /// It could not be fetched: the HTTP status, or 0 when there was no answer.
    Fetch(u16),
    /// A file could not be read or written: the operating system's error number.
    Io(i32),
    /// The file is not there or may not be read.
    Missing,
    /// The disk has no room for it.
    NoSpace,
    /// No progress within the core's own deadline.
    Stalled,
}

/// Why a file could not be written or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileError {
    /// The operating system's error number.
    Io(i32),
    /// No answer within the core's own deadline.
    TimedOut,
}
