//! The core's terms in plain words, for status, `why`, events and refusals.

use std::time::Duration;

use pool_manager_core::{
    CircuitState, DownBy, Due, Evidence, ExitStatus, LeaseId, LogClass, OperationKind, Outcome, ProbeAnswer,
    SpawnError, StageError, StopCause, Storm, signal_name,
};

/// A time span as people say it: `40ms`, `1.5s`, `12s`, `2m 5s`. Negative and not finite count as zero.
#[must_use]
pub fn brief(seconds: f64) -> String {
    if !seconds.is_finite() || seconds <= 0.0 {
        return "0s".to_owned();
    }
    if seconds < 1.0 {
        return format!("{:.0}ms", seconds * 1000.0);
    }
    if seconds < 10.0 {
        return format!("{seconds:.1}s");
    }
    humantime::format_duration(Duration::from_secs(seconds.round() as u64)).to_string()
}

/// What happens at a deadline.
pub(super) const fn due(due: Due) -> &'static str {
    match due {
        Due::CircuitHalfOpen => "a circuit is half-open: one start is tried",
        Due::DrainDeadline => "the drain's deadline: what is still in flight is cut or the drain given up",
        Due::GateOpens => "the start is tried, or its gate looked at again",
        Due::KillGrace => "KILL of the whole process tree, unless the engine has ended",
        Due::LeaseExpiry => "the earliest lease expires, unless it is renewed",
        Due::ProbeSend => "the next health probe",
        Due::QueueWait => "the oldest waiting lease ask is refused",
        Due::Recheck => "the cause of the hold is looked at again",
        Due::RestartCountReset => "the restart count goes back to 0",
        Due::Stable => "the engine counts as stable: the failure count goes back to 0",
        Due::StartTimeout => "the start is given up, unless the engine is ready",
        Due::StuckWait => "the engine is declared stuck, unless it has ended",
        Due::SuspectOver => "the suspect engine serves again, unless its CUDA error was confirmed",
        Due::TrialOver => "the trial counts as passed: the circuits close",
        Due::EvidenceAnswer => "the search for the end's cause is closed",
        Due::HandoffFileAnswer => "the handoff file is given up",
        Due::PidFileAnswer => "the PID file is given up",
        Due::PreflightAnswer => "the look at the new model counts as failed",
        Due::ProbeAnswer => "the health probe that is out counts as timed out",
        Due::ReleaseAnswer => "the check of ports and GPUs counts as unanswered",
        Due::SpawnAnswer => "the spawn counts as failed",
        Due::StageAnswer => "making the model present counts as failed",
        Due::StageNextAnswer => "making the new model present counts as failed",
    }
}

/// One fact about an end.
pub(super) fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Exit(status) => exit(*status),
        Evidence::Log(line) => format!("its log says: {}", log_class(line.class)),
        Evidence::OomKill => "the kernel killed it for memory (its out-of-memory counter rose)".to_owned(),
        Evidence::OwnSignal(cause) => format!("we signalled it first, because {}", stop_cause(*cause)),
        Evidence::PortStranger(port) => format!("a process that is not ours listens on port {port}"),
        Evidence::ProbeFailed { answer, .. } => format!("a health probe failed: {}", probe_answer(*answer)),
        Evidence::Spawn(error) => format!("no process was made: {}", spawn_error(*error)),
        Evidence::Stage(error) => stage_error(*error),
        Evidence::Xid(number) => format!("the GPU's driver reported Xid {number}"),
    }
}

/// How a process ended.
pub(super) fn exit(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("the process exited with code {code}"),
        ExitStatus::Signal(number) => match signal_name(number) {
            Some(name) => format!("{name} ended the process"),
            None => format!("signal {number} ended the process"),
        },
        ExitStatus::Unknown => "the process is gone and nobody could say how it ended".to_owned(),
    }
}

pub(super) const fn log_class(class: LogClass) -> &'static str {
    match class {
        LogClass::AddressInUse => "the port was in use",
        LogClass::CudaError => "a CUDA error",
        LogClass::DriverMismatch => "GPU driver and library do not match",
        LogClass::GpuOutOfMemory => "the GPU ran out of memory",
        LogClass::ModelLoad => "the model could not be loaded",
        LogClass::NoDevice => "no GPU was found",
        LogClass::WorkerDied => "a worker of the engine died",
    }
}

pub(super) const fn stop_cause(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Asked => "an operation asked for it",
        StopCause::Doomed => "a CUDA error was confirmed",
        StopCause::PortStranger => "its port answered for another process",
        StopCause::StartTimeout => "it did not become ready in time",
        StopCause::Unhealthy => "its health probes failed",
    }
}

pub(super) fn spawn_error(error: SpawnError) -> String {
    match error {
        SpawnError::Denied => "permission denied on the program or its directory".to_owned(),
        SpawnError::Io(errno) => {
            format!("the operating system said {}", std::io::Error::from_raw_os_error(errno))
        }
        SpawnError::NotFound => "the program is not there, or is not a program".to_owned(),
        SpawnError::NoResources => "no memory, process slot or descriptor was left".to_owned(),
        SpawnError::TimedOut => "no answer came in time".to_owned(),
    }
}

pub(super) fn stage_error(error: StageError) -> String {
    match error {
        StageError::BadDigest => "the model's bytes do not add up to its digest".to_owned(),
        StageError::BadSize => "the model has not the size that was stated".to_owned(),
        StageError::Fetch(0) => "the model could not be fetched: no answer".to_owned(),
        StageError::Fetch(status) => format!("the model could not be fetched: HTTP status {status}"),
        StageError::Io(errno) => {
            let error = std::io::Error::from_raw_os_error(errno);
            format!("the model could not be read or written: {error}")
        }
        StageError::Missing => "the model file is not there or may not be read".to_owned(),
        StageError::NoSpace => "the disk has no room for the model".to_owned(),
        StageError::Stalled => "making the model present made no progress".to_owned(),
    }
}

/// What became of a circuit.
pub(super) const fn circuit_state(state: CircuitState) -> &'static str {
    match state {
        CircuitState::Closed => "closed",
        CircuitState::HalfOpen => "is half-open: one start is let through",
        CircuitState::Open => "opened",
    }
}

/// `a storm of 10 restarts`.
pub(super) fn storm(storm: Storm, times: u32) -> String {
    match storm {
        Storm::OutOfMemory => format!("memory ran out {}", count(times, "time")),
        Storm::Restarts => format!("a storm of {}", count(times, "restart")),
    }
}

pub(super) fn probe_answer(answer: ProbeAnswer) -> String {
    match answer {
        ProbeAnswer::Healthy => "healthy".to_owned(),
        ProbeAnswer::Loading => "still loading".to_owned(),
        ProbeAnswer::Refused => "connection refused".to_owned(),
        ProbeAnswer::Stranger => "answered by a process that is not this engine".to_owned(),
        ProbeAnswer::TimedOut => "no answer in time".to_owned(),
        ProbeAnswer::Unhealthy { status: 0 } => "an answer that is not HTTP".to_owned(),
        ProbeAnswer::Unhealthy { status } => format!("HTTP status {status}"),
    }
}

pub(super) const fn down_by(by: DownBy) -> &'static str {
    match by {
        DownBy::CleanExit => "the engine ended cleanly by itself",
        DownBy::Deregister => "the pool is being forgotten",
        DownBy::Drain => "it was drained",
        DownBy::Registered => "it has not been asked to start (autostart is off)",
        DownBy::RestartMode => "the engine crashed and its restart mode is `never`",
        DownBy::Stop => "it was stopped",
    }
}

/// How an operation ended.
pub(super) fn outcome(kind: OperationKind, outcome: &Outcome) -> String {
    let kind = kind.label();
    match outcome {
        Outcome::Completed => format!("{kind} completed"),
        Outcome::EngineExited { lost } => {
            format!("the engine ended by itself during the {kind}; {}", leases(lost.len(), "lost"))
        }
        Outcome::Failed { verdict, also: None } => format!("{kind} failed: {}", verdict.class),
        Outcome::Failed { verdict, also: Some(also) } => {
            format!("{kind} failed: {}; and besides: {}", verdict.class, also.class)
        }
        Outcome::ForceStopped { cut } => {
            format!("{kind} ended by force: the engine was stopped and {}", leases(cut.len(), "cut"))
        }
        Outcome::Interrupted => format!("{kind} was interrupted: the supervisor was replaced meanwhile"),
        Outcome::RolledBack { verdict } => {
            format!("{kind} was rolled back to the old model: {}", verdict.class)
        }
        Outcome::Superseded { by } => format!("{kind} gave way to {}", by.label()),
        Outcome::Stuck => format!("{kind} failed: the engine outlived KILL"),
        Outcome::TimedOut => {
            format!("{kind} timed out: leases were still active at the drain's deadline; the engine goes on")
        }
        Outcome::Undrained => format!("{kind} was taken back; the pool serves again"),
    }
}

/// `no lease was cut`, `1 lease was cut`, `3 leases were cut`.
fn leases(count: usize, what: &str) -> String {
    match count {
        0 => format!("no lease was {what}"),
        1 => format!("1 lease was {what}"),
        more => format!("{more} leases were {what}"),
    }
}

/// `1 lease`, `3 leases`, `0 leases`.
pub(super) fn count(number: impl Into<u64>, thing: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Lease ids as text.
pub(super) fn lease_ids(leases: &[LeaseId]) -> Vec<String> {
    leases.iter().map(ToString::to_string).collect()
}

/// The one of `known` that `asked` was probably meant to be.
pub(super) fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|name| (strsim::damerau_levenshtein(asked, name), name));
    let (distance, name) = near.min()?;
    // More than a third of the letters wrong is another word.
    (distance <= 1.max(asked.chars().count() / 3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_speech() {
        let spoken = [
            (-1.0, "0s"),
            (f64::NAN, "0s"),
            (0.044, "44ms"),
            (1.44, "1.4s"),
            (12.2, "12s"),
            (125.0, "2m 5s"),
        ];
        for (seconds, text) in spoken {
            assert_eq!(brief(seconds), text);
        }
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("lama", ["llama", "mistral"]), Some("llama"));
        assert_eq!(nearest("qwen", ["llama", "mistral"]), None);
        assert_eq!(nearest("drian", super::super::VERBS), Some("drain"));
    }
}
