//! The classes of ends and failed starts, and how they are said: as a word for machines, as words for people.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::input::{SpawnError, StageError};

/// The class the evidence adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashClass {
    /// It ended because an operation asked.
    Asked,
    /// It ended by itself with exit code 0, after Ready.
    Clean,
    /// It cannot start as configured; trying again would not help.
    Config,
    /// A CUDA error, with the Xid where one was reported.
    Cuda(Option<u32>),
    /// It exited with this code.
    Exit(i32),
    /// The host's fault; not charged to the pool.
    HostProblem(HostProblem),
    /// Memory ran out.
    OutOfMemory(Memory),
    /// A signal of unknown origin ended it.
    Signal(i32),
    /// No process could be made.
    SpawnFailed(SpawnError),
    /// The model could not be made present.
    StageFailed(StageError),
    /// It did not become ready in time.
    StartTimeout,
    /// Liveness probes failed.
    Unhealthy,
    /// It is gone and nobody could say how.
    Unknown,
}

/// Whose memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// The GPU's.
    Gpu,
    /// The host's, or the cgroup's.
    Host,
}

/// What is wrong with the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostProblem {
    /// Driver and library do not match.
    DriverMismatch,
    /// No GPU could be found.
    NoDevice,
    /// What the last engine used did not come free in time.
    NotReleased,
    /// A process that is not ours has the port.
    PortStranger,
    /// An engine that cannot be ended holds a GPU of the mask.
    Quarantined,
}

impl CrashClass {
    /// Whether it counts against the pool's failures.
    #[must_use]
    pub const fn is_charged(self) -> bool {
        match self {
            Self::Asked | Self::Clean | Self::HostProblem(_) => false,
            Self::Config
            | Self::Cuda(_)
            | Self::Exit(_)
            | Self::OutOfMemory(_)
            | Self::Signal(_)
            | Self::SpawnFailed(_)
            | Self::StageFailed(_)
            | Self::StartTimeout
            | Self::Unhealthy
            | Self::Unknown => true,
        }
    }

    /// A short stable word for labels and logs: `exit`, `signal`, `cuda` …
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Clean => "clean",
            Self::Config => "config",
            Self::Cuda(_) => "cuda",
            Self::Exit(_) => "exit",
            Self::HostProblem(_) => "host_problem",
            Self::OutOfMemory(_) => "out_of_memory",
            Self::Signal(_) => "signal",
            Self::SpawnFailed(_) => "spawn_failed",
            Self::StageFailed(_) => "stage_failed",
            Self::StartTimeout => "start_timeout",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }

    /// What an operator can do about it, in one sentence; `None`: it depends.
    #[must_use]
    pub const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::OutOfMemory(Memory::Gpu) => Some(
                "use a smaller context, fewer parallel slots, a smaller quantization or fewer layers on the GPU, \
                 and look for other processes on the same GPU",
            ),
            Self::OutOfMemory(Memory::Host) => Some(
                "raise the memory limit of the engine, or use a smaller model, context or cache, \
                 and look for other processes that use the host's memory",
            ),
            Self::Asked
            | Self::Clean
            | Self::Config
            | Self::Cuda(_)
            | Self::Exit(_)
            | Self::HostProblem(_)
            | Self::Signal(_)
            | Self::SpawnFailed(_)
            | Self::StageFailed(_)
            | Self::StartTimeout
            | Self::Unhealthy
            | Self::Unknown => None,
        }
    }
}

impl fmt::Display for CrashClass {
    /// As a person says it; programs go by [`CrashClass::label`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("ended as asked"),
            Self::Clean => f.write_str("ended cleanly by itself"),
            Self::Config => f.write_str("cannot run with this command line or configuration"),
            Self::Cuda(None) => f.write_str("CUDA error"),
            Self::Cuda(Some(xid)) => write!(f, "CUDA error (Xid {xid})"),
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::HostProblem(HostProblem::DriverMismatch) => {
                f.write_str("host problem: driver and library do not match")
            }
            Self::HostProblem(HostProblem::NoDevice) => f.write_str("host problem: no GPU found"),
            Self::HostProblem(HostProblem::NotReleased) => {
                f.write_str("host problem: ports or devices of the last engine did not come free")
            }
            Self::HostProblem(HostProblem::PortStranger) => {
                f.write_str("host problem: another process has the port")
            }
            Self::HostProblem(HostProblem::Quarantined) => {
                f.write_str("host problem: an engine that cannot be ended holds a GPU")
            }
            Self::OutOfMemory(Memory::Gpu) => f.write_str("out of memory (gpu)"),
            Self::OutOfMemory(Memory::Host) => f.write_str("out of memory (host)"),
            Self::Signal(number) => match signal_name(*number) {
                Some(name) => write!(f, "signal {name}"),
                None => write!(f, "signal {number}"),
            },
            Self::SpawnFailed(SpawnError::Denied) => f.write_str("spawn failed: permission denied"),
            Self::SpawnFailed(SpawnError::Io(errno)) => write!(f, "spawn failed: error {errno}"),
            Self::SpawnFailed(SpawnError::NotFound) => f.write_str("spawn failed: program not found"),
            Self::SpawnFailed(SpawnError::NoResources) => {
                f.write_str("spawn failed: no memory, process slot or descriptor")
            }
            Self::SpawnFailed(SpawnError::TimedOut) => f.write_str("spawn failed: no answer in time"),
            Self::StageFailed(StageError::BadDigest) => f.write_str("model file does not match its digest"),
            Self::StageFailed(StageError::BadSize) => {
                f.write_str("model file has not the size that was stated")
            }
            Self::StageFailed(StageError::Fetch(0)) => f.write_str("model could not be fetched: no answer"),
            Self::StageFailed(StageError::Fetch(status)) => {
                write!(f, "model could not be fetched: HTTP status {status}")
            }
            Self::StageFailed(StageError::Io(errno)) => {
                write!(f, "model file could not be read or written: error {errno}")
            }
            Self::StageFailed(StageError::Missing) => f.write_str("model file missing or unreadable"),
            Self::StageFailed(StageError::NoSpace) => f.write_str("no room on disk for the model"),
            Self::StageFailed(StageError::Stalled) => f.write_str("staging made no progress"),
            Self::StartTimeout => f.write_str("start timed out"),
            Self::Unhealthy => f.write_str("failed its health probes"),
            Self::Unknown => f.write_str("gone, and nobody could say how it ended"),
        }
    }
}

/// `SIGSEGV` and its like by number, as on Linux (x86-64, aarch64).
#[must_use]
pub const fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}
