//! Why an engine ended: evidence, one observed fact each, adds up to a verdict.
//!
//! The pool calls [`judge`] once per incarnation, when the evidence is in. First match in time is
//! the cause; later lines are consequences.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Incarnation;
use crate::input::{ProbeAnswer, SpawnError, StageError};
use crate::signs::Signs;
use crate::time::Time;

/// How a process ended, as its parent was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is gone and nobody could say how.
    Unknown,
}

/// What an executor found out about an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceReport {
    /// Classified log lines in order of time; the first [`Self::MOST_LINES`] only.
    pub log: Vec<LogEvidence>,
    /// Whether the engine's own out-of-memory counter rose; `None` when it has none.
    pub oom_kill: Option<bool>,
}

impl EvidenceReport {
    /// More classified lines add nothing: the first decides.
    pub const MOST_LINES: usize = 16;
}

/// A classified log line; the text stays in the log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogEvidence {
    /// What the line says.
    pub class: LogClass,
    /// Byte offset of the line in the incarnation's log file.
    pub offset: u64,
}

/// What a log line says, whatever the engine's wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogClass {
    /// The port was taken.
    AddressInUse,
    /// A CUDA error other than out of memory: the context is lost.
    CudaError,
    /// Driver and library do not match, or the driver is too old.
    DriverMismatch,
    /// The GPU has no memory left.
    GpuOutOfMemory,
    /// The model could not be loaded.
    ModelLoad,
    /// No GPU could be found.
    NoDevice,
    /// A worker or rank of the engine died.
    WorkerDied,
}

/// One observed fact about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// How the process ended.
    Exit(ExitStatus),
    /// A classified log line.
    Log(LogEvidence),
    /// The out-of-memory counter rose.
    OomKill,
    /// We signalled it, for the cause given.
    OwnSignal(StopCause),
    /// A process that is not ours listens on the port.
    PortStranger(u16),
    /// A probe of the ready engine failed.
    ProbeFailed {
        /// When the answer came, or its time was over.
        at: Time,
        /// What was found.
        answer: ProbeAnswer,
    },
    /// No process was made.
    Spawn(SpawnError),
    /// The model was not staged.
    Stage(StageError),
    /// The driver of a GPU of the mask reported this number.
    Xid(u32),
}

/// Why we ended an engine ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// An operation asked for it.
    Asked,
    /// A CUDA error was confirmed on the live engine.
    Doomed,
    /// The port answers for a process that is not this engine.
    PortStranger,
    /// It did not become ready in time.
    StartTimeout,
    /// Liveness probes failed.
    Unhealthy,
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// A class with the evidence it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it adds up to.
    pub class: CrashClass,
    /// In order of time where that is known.
    pub evidence: Vec<Evidence>,
}

/// The last attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// Why.
    pub verdict: Verdict,
    /// Which engine it was, and so which log file; `None`: no engine was begun.
    pub incarnation: Option<Incarnation>,
    /// When the engine ended, or the attempt.
    pub at: Time,
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
}

impl CrashClass {
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

/// What is known of one ended incarnation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    /// Our own signal came first.
    pub(crate) stopped_for: Option<StopCause>,
    /// It had been Ready.
    pub(crate) was_ready: bool,
    pub(crate) status: ExitStatus,
    pub(crate) report: &'a EvidenceReport,
    /// What was seen of it while it lived.
    pub(crate) signs: &'a Signs,
    /// What the driver of its GPUs reported shortly before.
    pub(crate) xid: Option<u32>,
}

/// Adds the evidence up. Total: every end has a class.
pub(crate) fn judge(end: End<'_>) -> Verdict {
    let mut evidence = Vec::new();
    evidence.extend(end.signs.evidence());
    evidence.extend(end.stopped_for.map(Evidence::OwnSignal));
    // The line that was seen live is in the log's tail again.
    let new = |line: &&LogEvidence| end.signs.cuda_line() != Some(**line);
    evidence.extend(end.report.log.iter().filter(new).copied().map(Evidence::Log));
    if end.report.oom_kill == Some(true) {
        evidence.push(Evidence::OomKill);
    }
    evidence.push(Evidence::Exit(end.status));
    Verdict { class: class_of(end), evidence }
}

fn class_of(end: End<'_>) -> CrashClass {
    if end.stopped_for == Some(StopCause::Asked) {
        return CrashClass::Asked;
    }
    if end.stopped_for == Some(StopCause::Doomed) {
        return CrashClass::Cuda(end.xid);
    }
    if end.report.oom_kill == Some(true) {
        return CrashClass::OutOfMemory(Memory::Host);
    }
    let live = end.signs.cuda_line();
    if let Some(class) = live.iter().chain(&end.report.log).find_map(|line| class_of_line(line.class)) {
        return if class == CrashClass::Cuda(None) { CrashClass::Cuda(end.xid) } else { class };
    }
    let is_clean = end.was_ready && end.status == ExitStatus::Code(0);
    if let Some(xid) = end.xid.filter(|_| !is_clean) {
        return CrashClass::Cuda(Some(xid));
    }
    match (end.stopped_for, end.status) {
        (Some(StopCause::Asked), _) => CrashClass::Asked,
        (Some(StopCause::Doomed), _) => CrashClass::Cuda(None),
        (Some(StopCause::PortStranger), _) => CrashClass::HostProblem(HostProblem::PortStranger),
        (Some(StopCause::StartTimeout), _) => CrashClass::StartTimeout,
        (Some(StopCause::Unhealthy), _) => CrashClass::Unhealthy,
        (None, ExitStatus::Code(0)) if end.was_ready => CrashClass::Clean,
        (None, ExitStatus::Code(2 | 126 | 127)) if !end.was_ready => CrashClass::Config,
        (None, ExitStatus::Code(code)) => CrashClass::Exit(code),
        (None, ExitStatus::Signal(number)) => CrashClass::Signal(number),
        (None, ExitStatus::Unknown) => CrashClass::Unknown,
    }
}

/// Lines that name a cause; a dead worker or a failed load is a consequence of something else.
const fn class_of_line(class: LogClass) -> Option<CrashClass> {
    match class {
        LogClass::AddressInUse => Some(CrashClass::HostProblem(HostProblem::PortStranger)),
        LogClass::CudaError => Some(CrashClass::Cuda(None)),
        LogClass::DriverMismatch => Some(CrashClass::HostProblem(HostProblem::DriverMismatch)),
        LogClass::GpuOutOfMemory => Some(CrashClass::OutOfMemory(Memory::Gpu)),
        LogClass::NoDevice => Some(CrashClass::HostProblem(HostProblem::NoDevice)),
        LogClass::ModelLoad | LogClass::WorkerDied => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    use CrashClass::{
        Asked, Clean, Config, Cuda, Exit, HostProblem as Host, OutOfMemory, Signal, StartTimeout, Unhealthy,
        Unknown,
    };

    /// The class of an end by itself: status, whether it had been ready, what the log said.
    fn by_itself(status: ExitStatus, was_ready: bool, lines: &[LogClass]) -> CrashClass {
        class(None, status, was_ready, lines)
    }

    fn class(
        stopped_for: Option<StopCause>,
        status: ExitStatus,
        was_ready: bool,
        lines: &[LogClass],
    ) -> CrashClass {
        let log = lines.iter().map(|class| LogEvidence { class: *class, offset: 0 }).collect();
        let report = EvidenceReport { log, oom_kill: None };
        let signs = Signs::default();
        judge(End { stopped_for, was_ready, status, report: &report, signs: &signs, xid: None }).class
    }

    fn oom_killed(stopped_for: Option<StopCause>, lines: &[LogEvidence]) -> Verdict {
        let report = EvidenceReport { log: lines.to_vec(), oom_kill: Some(true) };
        let status = ExitStatus::Signal(9);
        judge(End {
            stopped_for,
            was_ready: true,
            status,
            report: &report,
            signs: &Signs::default(),
            xid: None,
        })
    }

    #[test]
    fn asked_outweighs_everything() {
        for status in [ExitStatus::Code(1), ExitStatus::Signal(9), ExitStatus::Unknown] {
            assert_eq!(class(Some(StopCause::Asked), status, true, &[LogClass::CudaError]), Asked);
        }
        assert_eq!(oom_killed(Some(StopCause::Asked), &[]).class, Asked);
    }

    #[test]
    fn exit_code_0_is_clean_only_after_ready() {
        assert_eq!(by_itself(ExitStatus::Code(0), true, &[]), Clean);
        assert_eq!(by_itself(ExitStatus::Code(0), false, &[]), Exit(0));
    }

    #[test]
    fn config_is_a_usage_error_before_ready() {
        for code in [2, 126, 127] {
            assert_eq!(by_itself(ExitStatus::Code(code), false, &[]), Config);
            assert_eq!(by_itself(ExitStatus::Code(code), true, &[]), Exit(code));
        }
    }

    #[test]
    fn exit_keeps_the_code() {
        assert_eq!(by_itself(ExitStatus::Code(137), true, &[]), Exit(137));
        assert_eq!(Exit(137).to_string(), "exit code 137");
    }

    #[test]
    fn signal_is_named() {
        let class = by_itself(ExitStatus::Signal(11), true, &[]);
        assert_eq!((class, class.to_string().as_str()), (Signal(11), "signal SIGSEGV"));
        assert_eq!(Signal(64).to_string(), "signal 64", "a real-time signal has no name");
    }

    #[test]
    fn out_of_host_memory_is_told_apart_from_a_plain_kill() {
        assert_eq!(by_itself(ExitStatus::Signal(9), true, &[]), Signal(9));
        assert_eq!(oom_killed(None, &[]).class, OutOfMemory(Memory::Host));
        assert_eq!(oom_killed(Some(StopCause::Unhealthy), &[]).class, OutOfMemory(Memory::Host));
    }

    #[test]
    fn out_of_gpu_memory_is_not_a_cuda_error() {
        let lines = [LogClass::GpuOutOfMemory, LogClass::CudaError];
        assert_eq!(by_itself(ExitStatus::Signal(6), true, &lines), OutOfMemory(Memory::Gpu));
    }

    #[test]
    fn cuda_is_read_from_the_log() {
        assert_eq!(by_itself(ExitStatus::Signal(6), true, &[LogClass::CudaError]), Cuda(None));
        let unhealthy = Some(StopCause::Unhealthy);
        assert_eq!(class(unhealthy, ExitStatus::Signal(9), true, &[LogClass::CudaError]), Cuda(None));
    }

    #[test]
    fn the_first_line_that_names_a_cause_decides() {
        let lines = [LogClass::WorkerDied, LogClass::CudaError, LogClass::NoDevice];
        assert_eq!(by_itself(ExitStatus::Code(1), true, &lines), Cuda(None));
        let consequences = [LogClass::ModelLoad, LogClass::WorkerDied];
        assert_eq!(by_itself(ExitStatus::Code(1), false, &consequences), Exit(1));
    }

    #[test]
    fn host_problems_are_the_hosts_and_charged_to_nobody() {
        for (line, problem) in [
            (LogClass::DriverMismatch, HostProblem::DriverMismatch),
            (LogClass::NoDevice, HostProblem::NoDevice),
            (LogClass::AddressInUse, HostProblem::PortStranger),
        ] {
            let class = by_itself(ExitStatus::Code(1), false, &[line]);
            assert_eq!((class, class.is_charged()), (Host(problem), false));
        }
        let stranger = class(Some(StopCause::PortStranger), ExitStatus::Signal(15), false, &[]);
        assert_eq!(stranger, Host(HostProblem::PortStranger));
    }

    #[test]
    fn unhealthy_is_why_we_stopped_it_whatever_the_status() {
        for status in [ExitStatus::Code(0), ExitStatus::Signal(9)] {
            assert_eq!(class(Some(StopCause::Unhealthy), status, true, &[]), Unhealthy);
        }
    }

    #[test]
    fn start_timeout_is_why_we_stopped_it_whatever_the_status() {
        for status in [ExitStatus::Code(2), ExitStatus::Signal(15)] {
            assert_eq!(class(Some(StopCause::StartTimeout), status, false, &[]), StartTimeout);
        }
    }

    #[test]
    fn unknown_is_an_end_nobody_can_explain() {
        assert_eq!(by_itself(ExitStatus::Unknown, true, &[]), Unknown);
    }

    #[test]
    fn a_verdict_keeps_its_evidence() {
        let line = LogEvidence { class: LogClass::WorkerDied, offset: 77 };
        let expected = [
            Evidence::OwnSignal(StopCause::Unhealthy),
            Evidence::Log(line),
            Evidence::OomKill,
            Evidence::Exit(ExitStatus::Signal(9)),
        ];
        assert_eq!(oom_killed(Some(StopCause::Unhealthy), &[line]).evidence, expected);
    }
}
