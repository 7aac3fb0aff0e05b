//! Short stable words for what went wrong, shared by records and metrics, and what helps.

use pool_manager_core::{CrashClass, HostProblem, Outcome, Storm};

/// Why a reload failed, as the label `reason` of `reload_failures_total`: `drain_timeout`, `stuck`,
/// `not_released`, `interrupted`, or the class of the end that spoiled it (`stage_failed`, `start_timeout`,
/// `config`, `spawn_failed`, `cuda`, `out_of_memory` …). `None`: it succeeded, or somebody changed their mind.
#[must_use]
pub const fn reload_failure(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Completed | Outcome::Superseded { .. } | Outcome::Undrained => None,
        Outcome::EngineExited { .. } => Some("engine_exited"),
        Outcome::Failed { verdict, also: _ } | Outcome::RolledBack { verdict } => Some(word(verdict.class)),
        Outcome::ForceStopped { .. } => Some("force_stopped"),
        Outcome::Interrupted => Some("interrupted"),
        Outcome::Stuck => Some("stuck"),
        Outcome::TimedOut => Some("drain_timeout"),
    }
}

/// As the class's own label, but a host problem says which one it is.
const fn word(class: CrashClass) -> &'static str {
    match class {
        CrashClass::HostProblem(HostProblem::DriverMismatch) => "driver_mismatch",
        CrashClass::HostProblem(HostProblem::NoDevice) => "no_device",
        CrashClass::HostProblem(HostProblem::NotReleased) => "not_released",
        CrashClass::HostProblem(HostProblem::PortStranger) => "port_stranger",
        CrashClass::HostProblem(HostProblem::Quarantined) => "quarantined",
        CrashClass::Asked
        | CrashClass::Clean
        | CrashClass::Config
        | CrashClass::Cuda(_)
        | CrashClass::Exit(_)
        | CrashClass::OutOfMemory(_)
        | CrashClass::Signal(_)
        | CrashClass::SpawnFailed(_)
        | CrashClass::StageFailed(_)
        | CrashClass::StartTimeout
        | CrashClass::Unhealthy
        | CrashClass::Unknown => class.label(),
    }
}

/// What an operator can do about a storm, where that is known.
#[must_use]
pub const fn storm_remedy(storm: Storm) -> Option<&'static str> {
    match storm {
        Storm::OutOfMemory => Some(
            "it needs more memory than there is, whenever it runs: use a smaller model, quantization, context or \
             fewer slots, raise its memory limit, or end other processes that use the same memory",
        ),
        Storm::Restarts => None,
    }
}
