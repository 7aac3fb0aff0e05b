//! Adds the evidence of an end up to its verdict. The pool asks once per incarnation, when the evidence is in.
//! First match in time is the cause; later lines are consequences.

use alloc::vec::Vec;
use core::time::Duration;

use crate::signs::Signs;
use crate::time::Time;
use crate::verdict::{
    CrashClass, Evidence, EvidenceReport, ExitStatus, HostProblem, LogClass, LogEvidence, Memory, StopCause,
    Verdict,
};

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
    /// When it ended, and how long before that signs count.
    pub(crate) at: Time,
    pub(crate) signs_count_for: Duration,
    /// What the driver of its GPUs reported shortly before.
    pub(crate) xid: Option<u32>,
}

impl End<'_> {
    fn live_line(&self) -> Option<LogEvidence> {
        self.signs.cuda_line(self.at, self.signs_count_for)
    }
}

/// Adds the evidence up. Total: every end has a class.
pub(crate) fn judge(end: End<'_>) -> Verdict {
    let mut evidence = Vec::new();
    evidence.extend(end.signs.evidence(end.at, end.signs_count_for));
    evidence.extend(end.stopped_for.map(Evidence::OwnSignal));
    // The line that was seen live is in the log's tail again.
    let new = |line: &&LogEvidence| end.live_line() != Some(**line);
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
    let live = end.live_line();
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
        judge(End {
            stopped_for,
            was_ready,
            status,
            report: &report,
            signs: &signs,
            at: Time::ZERO,
            signs_count_for: Duration::ZERO,
            xid: None,
        })
        .class
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
            at: Time::ZERO,
            signs_count_for: Duration::ZERO,
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
