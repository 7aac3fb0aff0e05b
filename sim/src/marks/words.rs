//! The words that marks are made of: every kind of thing that can happen, each with its stable name.
//!
//! `observe` turns what it sees into these, `mod` gives them their places. There is no wildcard: something new in the
//! core must be named here before the simulator compiles.

use pool_manager_core::{
    Answer, CircuitKind, CircuitState, Completion, CrashClass, DownBy, DrainOutcome, Due, Effect, EventKind,
    ExitStatus, FileError, FileKind, HoldReason, HostProblem, Input, LeaseEnding, LogClass, Memory,
    OperationKind, Outcome, PhaseName, Preflight, ProbeAnswer, ProbeKind, Refusal, ReleaseAnswer, Signal,
    SpawnError, StageError, StopCause, Storm, Verb, Wanted,
};

/// Names for every value of a type, by pattern.
macro_rules! words {
    ($(#[$meta:meta])* $Words:ident of $Of:ty { $($Word:ident $name:literal: $pattern:pat,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $Words { $($Word,)+ }

        impl $Words {
            pub(super) const NAMES: &[&str] = &[$($name,)+];

            pub(super) const fn of(value: &$Of) -> Self {
                match value { $($pattern => Self::$Word,)+ }
            }
        }
    };
}

/// Names for what is no type of the core.
macro_rules! named {
    ($(#[$meta:meta])* $Words:ident { $($Word:ident $name:literal: $doc:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $Words { $(#[doc = $doc] $Word,)+ }

        impl $Words {
            pub(super) const NAMES: &[&str] = &[$($name,)+];
        }
    };
}

words! {
    /// What may go into the core: commands by verb, completions by kind.
    Inputs of Input {
        AllowRestart "allow-restart": Input::Command { verb: Verb::AllowRestart, .. },
        Deregister "deregister": Input::Command { verb: Verb::Deregister, .. },
        Drain "drain": Input::Command { verb: Verb::Drain { .. }, .. },
        Preload "preload": Input::Command { verb: Verb::Preload, .. },
        Reload "reload": Input::Command { verb: Verb::Reload(_), .. },
        ResetBreaker "reset-breaker": Input::Command { verb: Verb::ResetBreaker, .. },
        Restart "restart": Input::Command { verb: Verb::Restart, .. },
        Stop "stop": Input::Command { verb: Verb::Stop, .. },
        Undrain "undrain": Input::Command { verb: Verb::Undrain, .. },
        Evidence "evidence": Input::Completed { result: Completion::Evidence(_), .. },
        FileDone "file-done": Input::Completed { result: Completion::FileDone(_), .. },
        Probed "probed": Input::Completed { result: Completion::Probed(_), .. },
        Preflighted "preflighted": Input::Completed { result: Completion::Preflighted(_), .. },
        Released "released": Input::Completed { result: Completion::Released(_), .. },
        Spawned "spawned": Input::Completed { result: Completion::Spawned(_), .. },
        Staged "staged": Input::Completed { result: Completion::Staged(_), .. },
        Exited "exited": Input::Exited { .. },
        GpuFault "gpu-fault": Input::GpuFault { .. },
        Gap "gap": Input::Gap { .. },
        LeaseAsk "lease-ask": Input::LeaseAsk { .. },
        LeaseEnd "lease-end": Input::LeaseEnd { .. },
        LeaseRenew "lease-renew": Input::LeaseRenew { .. },
        LeaseWithdraw "lease-withdraw": Input::LeaseWithdraw { .. },
        LogLine "log-line": Input::LogLine { .. },
        Register "register": Input::Register { .. },
        Resume "resume": Input::Resume(_),
        Shutdown "shutdown": Input::Shutdown { .. },
        StageProgress "stage-progress": Input::StageProgress { .. },
        Stalled "stalled": Input::Stalled,
        Timer "timer": Input::Timer,
    }
}

words! {
    /// Where a pool is in its life.
    Phases of PhaseName {
        Draining "draining": PhaseName::Draining,
        Ended "ended": PhaseName::Ended,
        Held "held": PhaseName::Held,
        Ready "ready": PhaseName::Ready,
        Staging "staging": PhaseName::Staging,
        Starting "starting": PhaseName::Starting,
        Stopped "stopped": PhaseName::Stopped,
        Stopping "stopping": PhaseName::Stopping,
        Waiting "waiting": PhaseName::Waiting,
    }
}

words! {
    /// How effects end, by kind and error.
    Completions of Completion {
        Evidence "evidence": Completion::Evidence(_),
        FileOk "file-done": Completion::FileDone(Ok(())),
        FileIo "file-io": Completion::FileDone(Err(FileError::Io(_))),
        FileTimedOut "file-timed-out": Completion::FileDone(Err(FileError::TimedOut)),
        Healthy "probe-healthy": Completion::Probed(ProbeAnswer::Healthy),
        Loading "probe-loading": Completion::Probed(ProbeAnswer::Loading),
        Refused "probe-refused": Completion::Probed(ProbeAnswer::Refused),
        Stranger "probe-stranger": Completion::Probed(ProbeAnswer::Stranger),
        TimedOut "probe-timed-out": Completion::Probed(ProbeAnswer::TimedOut),
        Unhealthy "probe-unhealthy": Completion::Probed(ProbeAnswer::Unhealthy { .. }),
        MustFetch "preflight-must-fetch": Completion::Preflighted(Ok(Preflight { fetch: true, .. })),
        IsThere "preflight-is-there": Completion::Preflighted(Ok(Preflight { fetch: false, .. })),
        PreflightFailed "preflight-failed": Completion::Preflighted(Err(
            StageError::BadDigest | StageError::BadSize | StageError::Fetch(_) | StageError::Io(_)
            | StageError::Missing | StageError::NoSpace | StageError::Stalled
        )),
        Free "release-free": Completion::Released(ReleaseAnswer::Free),
        Held "release-held": Completion::Released(ReleaseAnswer::Held),
        DriverMismatch "release-driver-mismatch": Completion::Released(ReleaseAnswer::DriverMismatch),
        NoDevice "release-no-device": Completion::Released(ReleaseAnswer::NoDevice),
        PortStranger "release-port-stranger": Completion::Released(ReleaseAnswer::PortStranger { .. }),
        Spawned "spawned": Completion::Spawned(Ok(_)),
        SpawnDenied "spawn-denied": Completion::Spawned(Err(SpawnError::Denied)),
        SpawnIo "spawn-io": Completion::Spawned(Err(SpawnError::Io(_))),
        SpawnNotFound "spawn-not-found": Completion::Spawned(Err(SpawnError::NotFound)),
        SpawnNoResources "spawn-no-resources": Completion::Spawned(Err(SpawnError::NoResources)),
        SpawnTimedOut "spawn-timed-out": Completion::Spawned(Err(SpawnError::TimedOut)),
        Staged "staged": Completion::Staged(Ok(_)),
        StageBadDigest "stage-bad-digest": Completion::Staged(Err(StageError::BadDigest)),
        StageBadSize "stage-bad-size": Completion::Staged(Err(StageError::BadSize)),
        StageFetch "stage-fetch": Completion::Staged(Err(StageError::Fetch(_))),
        StageIo "stage-io": Completion::Staged(Err(StageError::Io(_))),
        StageMissing "stage-missing": Completion::Staged(Err(StageError::Missing)),
        StageNoSpace "stage-no-space": Completion::Staged(Err(StageError::NoSpace)),
        StageStalled "stage-stalled": Completion::Staged(Err(StageError::Stalled)),
    }
}

words! {
    /// What the core asks of the world.
    Effects of Effect {
        CancelStage "cancel-stage": Effect::CancelStage { .. },
        CheckRelease "check-release": Effect::CheckRelease { .. },
        CollectEvidence "collect-evidence": Effect::CollectEvidence { .. },
        Exit "exit": Effect::Exit,
        Preflight "preflight": Effect::Preflight { .. },
        ProbeLiveness "probe-liveness": Effect::Probe { kind: ProbeKind::Liveness, .. },
        ProbeReadiness "probe-readiness": Effect::Probe { kind: ProbeKind::Readiness, .. },
        RemoveHandoff "remove-handoff-file": Effect::RemoveFile { file: FileKind::Handoff, .. },
        RemovePid "remove-pid-file": Effect::RemoveFile { file: FileKind::Pid, .. },
        Reply "reply": Effect::Reply { .. },
        Term "signal-graceful": Effect::Signal { signal: Signal::Graceful, .. },
        Kill "signal-kill-tree": Effect::Signal { signal: Signal::KillTree, .. },
        Spawn "spawn": Effect::Spawn { .. },
        Stage "stage": Effect::Stage { .. },
        WriteHandoff "write-handoff-file": Effect::WriteFile { file: FileKind::Handoff, .. },
        WritePid "write-pid-file": Effect::WriteFile { file: FileKind::Pid, .. },
    }
}

words! {
    /// What observers are told.
    Events of EventKind {
        BreakerReset "breaker-reset": EventKind::BreakerReset,
        CandidateFailed "candidate-failed": EventKind::CandidateFailed { .. },
        CircuitChanged "circuit-changed": EventKind::CircuitChanged { .. },
        Committed "committed": EventKind::Committed { .. },
        Crashed "crashed": EventKind::Crashed { .. },
        Deregistered "deregistered": EventKind::Deregistered,
        DrainEnded "drain-ended": EventKind::DrainEnded { .. },
        DrainStarted "drain-started": EventKind::DrainStarted { .. },
        EngineCleared "engine-cleared": EventKind::EngineCleared,
        EngineDoomed "engine-doomed": EventKind::EngineDoomed { .. },
        EngineEnded "engine-ended": EventKind::EngineEnded { .. },
        EngineReady "engine-ready": EventKind::EngineReady { .. },
        EngineSpawned "engine-spawned": EventKind::EngineSpawned { .. },
        EngineStuck "engine-stuck": EventKind::EngineStuck,
        EngineSuspect "engine-suspect": EventKind::EngineSuspect { .. },
        FileFailed "file-failed": EventKind::FileFailed { .. },
        LeaseEnded "lease-ended": EventKind::LeaseEnded { .. },
        ModelStaged "model-staged": EventKind::ModelStaged { .. },
        OperationEnded "operation-ended": EventKind::OperationEnded { .. },
        OperationStarted "operation-started": EventKind::OperationStarted { .. },
        PhaseChanged "phase-changed": EventKind::PhaseChanged { .. },
        PortStranger "port-stranger": EventKind::PortStranger { .. },
        ProbeFailed "probe-failed": EventKind::ProbeFailed { .. },
        Registered "registered": EventKind::Registered,
        RestartAllowed "restart-allowed": EventKind::RestartAllowed,
        RestartHeldBack "restart-held-back": EventKind::RestartHeldBack { .. },
        RestartPrevented "restart-prevented": EventKind::RestartPrevented { .. },
        RestartScheduled "restart-scheduled": EventKind::RestartScheduled { .. },
        RestartsFrequent "restarts-frequent": EventKind::RestartsFrequent { .. },
        Resumed "resumed": EventKind::Resumed { .. },
        ShutdownStarted "shutdown-started": EventKind::ShutdownStarted { .. },
        Signalled "signalled": EventKind::Signalled { .. },
        StaleInput "stale-input": EventKind::StaleInput,
        StormBegan "storm-began": EventKind::StormBegan { .. },
    }
}

words! {
    /// How commands are answered, refusals apart.
    Answers of Answer {
        Accepted "accepted": Answer::Accepted { .. },
        Done "done": Answer::Done,
        Granted "granted": Answer::Granted { .. },
        LeaseEnded "lease-ended": Answer::LeaseEnded,
        LeaseEndedBefore "lease-ended-before": Answer::LeaseEndedBefore { .. },
        Refused "refused": Answer::Refused(_),
        Registered "registered": Answer::Registered { .. },
        Renewed "renewed": Answer::Renewed { .. },
        Withdrawn "withdrawn": Answer::Withdrawn,
    }
}

words! {
    /// Why commands are refused.
    Refusals of Refusal {
        Busy "busy": Refusal::Busy { .. },
        CircuitOpen "circuit-open": Refusal::CircuitOpen { .. },
        Draining "draining": Refusal::Draining { .. },
        Full "full": Refusal::Full { .. },
        NameTaken "name-taken": Refusal::NameTaken { .. },
        NoPrevious "no-previous": Refusal::NoPrevious,
        NotDraining "not-draining": Refusal::NotDraining,
        NotReady "not-ready": Refusal::NotReady { .. },
        NotWanted "not-wanted": Refusal::NotWanted,
        PortTaken "port-taken": Refusal::PortTaken { .. },
        Reloading "reloading": Refusal::Reloading { .. },
        ShuttingDown "shutting-down": Refusal::ShuttingDown,
        TooLate "too-late": Refusal::TooLate,
        UnknownLease "unknown-lease": Refusal::UnknownLease,
        UnknownPool "unknown-pool": Refusal::UnknownPool,
    }
}

words! {
    /// What ends are said to be.
    Verdicts of CrashClass {
        Asked "asked": CrashClass::Asked,
        Clean "clean": CrashClass::Clean,
        Config "config": CrashClass::Config,
        Cuda "cuda": CrashClass::Cuda(None),
        CudaXid "cuda-xid": CrashClass::Cuda(Some(_)),
        Exit "exit": CrashClass::Exit(_),
        DriverMismatch "host-driver-mismatch": CrashClass::HostProblem(HostProblem::DriverMismatch),
        NoDevice "host-no-device": CrashClass::HostProblem(HostProblem::NoDevice),
        NotReleased "host-not-released": CrashClass::HostProblem(HostProblem::NotReleased),
        PortStranger "host-port-stranger": CrashClass::HostProblem(HostProblem::PortStranger),
        Quarantined "host-quarantined": CrashClass::HostProblem(HostProblem::Quarantined),
        OutOfMemoryGpu "out-of-memory-gpu": CrashClass::OutOfMemory(Memory::Gpu),
        OutOfMemoryHost "out-of-memory-host": CrashClass::OutOfMemory(Memory::Host),
        Signal "signal": CrashClass::Signal(_),
        SpawnFailed "spawn-failed": CrashClass::SpawnFailed(
            SpawnError::Denied | SpawnError::Io(_) | SpawnError::NotFound | SpawnError::NoResources
        ),
        SpawnTimedOut "spawn-timed-out": CrashClass::SpawnFailed(SpawnError::TimedOut),
        StageFailed "stage-failed": CrashClass::StageFailed(
            StageError::BadDigest | StageError::BadSize | StageError::Fetch(_) | StageError::Io(_)
            | StageError::Missing | StageError::NoSpace
        ),
        StageStalled "stage-stalled": CrashClass::StageFailed(StageError::Stalled),
        StartTimeout "start-timeout": CrashClass::StartTimeout,
        Unhealthy "unhealthy": CrashClass::Unhealthy,
        Unknown "unknown": CrashClass::Unknown,
    }
}

words! {
    /// Deadlines that fire.
    Deadlines of Due {
        CircuitHalfOpen "circuit-half-open": Due::CircuitHalfOpen,
        DrainDeadline "drain-deadline": Due::DrainDeadline,
        GateOpens "gate-opens": Due::GateOpens,
        KillGrace "kill-grace": Due::KillGrace,
        LeaseExpiry "lease-expiry": Due::LeaseExpiry,
        ProbeSend "probe-send": Due::ProbeSend,
        QueueWait "queue-wait": Due::QueueWait,
        Recheck "recheck": Due::Recheck,
        RestartCountReset "restart-count-reset": Due::RestartCountReset,
        Stable "stable": Due::Stable,
        StartTimeout "start-timeout": Due::StartTimeout,
        StuckWait "stuck-wait": Due::StuckWait,
        SuspectOver "suspect-over": Due::SuspectOver,
        TrialOver "trial-over": Due::TrialOver,
        EvidenceAnswer "evidence-answer": Due::EvidenceAnswer,
        HandoffFileAnswer "handoff-file-answer": Due::HandoffFileAnswer,
        PidFileAnswer "pid-file-answer": Due::PidFileAnswer,
        PreflightAnswer "preflight-answer": Due::PreflightAnswer,
        ProbeAnswer "probe-answer": Due::ProbeAnswer,
        ReleaseAnswer "release-answer": Due::ReleaseAnswer,
        SpawnAnswer "spawn-answer": Due::SpawnAnswer,
        StageAnswer "stage-answer": Due::StageAnswer,
        StageNextAnswer "stage-next-answer": Due::StageNextAnswer,
    }
}

words! {
    /// Operations.
    Operations of OperationKind {
        Preload "preload": OperationKind::Preload,
        Restart "restart": OperationKind::Restart,
        Reload "reload": OperationKind::Reload,
        Drain "drain": OperationKind::Drain,
        Stop "stop": OperationKind::Stop,
        Deregister "deregister": OperationKind::Deregister,
        Shutdown "shutdown": OperationKind::Shutdown,
    }
}

words! {
    /// How operations end.
    Outcomes of Outcome {
        Completed "completed": Outcome::Completed,
        EngineExited "engine-exited": Outcome::EngineExited { .. },
        Failed "failed": Outcome::Failed { also: None, .. },
        FailedTwice "failed-twice": Outcome::Failed { also: Some(_), .. },
        ForceStopped "force-stopped": Outcome::ForceStopped { .. },
        Interrupted "interrupted": Outcome::Interrupted,
        RolledBack "rolled-back": Outcome::RolledBack { .. },
        Superseded "superseded": Outcome::Superseded { .. },
        Stuck "stuck": Outcome::Stuck,
        TimedOut "timed-out": Outcome::TimedOut,
        Undrained "undrained": Outcome::Undrained,
    }
}

words! {
    /// How leases end.
    LeaseEndings of LeaseEnding {
        Completed "completed": LeaseEnding::Completed,
        Cut "cut": LeaseEnding::Cut,
        Expired "expired": LeaseEnding::Expired,
        Lost "lost": LeaseEnding::Lost,
    }
}

words! {
    /// How drains end.
    Drains of DrainOutcome {
        Completed "completed": DrainOutcome::Completed,
        EngineExited "engine-exited": DrainOutcome::EngineExited,
        ForceStopped "force-stopped": DrainOutcome::ForceStopped,
        Superseded "superseded": DrainOutcome::Superseded,
        TimedOut "timed-out": DrainOutcome::TimedOut,
        Undrained "undrained": DrainOutcome::Undrained,
    }
}

words! {
    /// Why pools are held.
    Holds of HoldReason {
        Config "config": HoldReason::Config,
        NotReleased "not-released": HoldReason::NotReleased,
        Quarantine "quarantine": HoldReason::Quarantine,
        Stuck "stuck": HoldReason::Stuck,
    }
}

words! {
    /// Circuits.
    Circuits of CircuitKind {
        General "general": CircuitKind::General,
        Cuda "cuda": CircuitKind::Cuda,
    }
}

words! {
    /// What a circuit becomes of what it was.
    Changes of (CircuitState, CircuitState) {
        Opens "opens": (CircuitState::Closed, CircuitState::Open),
        HalfOpens "half-opens": (CircuitState::Open, CircuitState::HalfOpen),
        ReopensAfterTrial "reopens-after-trial": (CircuitState::HalfOpen, CircuitState::Open),
        ClosesAfterTrial "closes-after-trial": (CircuitState::HalfOpen, CircuitState::Closed),
        ClosesWhileOpen "closes-while-open": (CircuitState::Open, CircuitState::Closed),
        Jumps "half-opens-while-closed": (CircuitState::Closed, CircuitState::HalfOpen),
        Stays "stays": (CircuitState::Closed, CircuitState::Closed)
            | (CircuitState::Open, CircuitState::Open)
            | (CircuitState::HalfOpen, CircuitState::HalfOpen),
    }
}

words! {
    /// Why we end engines ourselves.
    StopCauses of StopCause {
        Asked "asked": StopCause::Asked,
        Doomed "doomed": StopCause::Doomed,
        PortStranger "port-stranger": StopCause::PortStranger,
        StartTimeout "start-timeout": StopCause::StartTimeout,
        Unhealthy "unhealthy": StopCause::Unhealthy,
    }
}

words! {
    /// How processes end.
    Exits of ExitStatus {
        Zero "code-0": ExitStatus::Code(0),
        Code "code": ExitStatus::Code(_),
        Signal "signal": ExitStatus::Signal(_),
        Unknown "unknown": ExitStatus::Unknown,
    }
}

words! {
    /// What engines log.
    Lines of LogClass {
        AddressInUse "address-in-use": LogClass::AddressInUse,
        CudaError "cuda-error": LogClass::CudaError,
        DriverMismatch "driver-mismatch": LogClass::DriverMismatch,
        GpuOutOfMemory "gpu-out-of-memory": LogClass::GpuOutOfMemory,
        ModelLoad "model-load": LogClass::ModelLoad,
        NoDevice "no-device": LogClass::NoDevice,
        WorkerDied "worker-died": LogClass::WorkerDied,
    }
}

words! {
    /// Storms.
    Storms of Storm {
        OutOfMemory "out-of-memory": Storm::OutOfMemory,
        Restarts "restarts": Storm::Restarts,
    }
}

words! {
    /// What is wanted of pools, and by whom.
    Wants of Wanted {
        Up "up": Wanted::Up,
        CleanExit "down-by-clean-exit": Wanted::Down(DownBy::CleanExit),
        Deregister "down-by-deregister": Wanted::Down(DownBy::Deregister),
        Drain "down-by-drain": Wanted::Down(DownBy::Drain),
        Registered "down-by-registered": Wanted::Down(DownBy::Registered),
        RestartMode "down-by-restart-mode": Wanted::Down(DownBy::RestartMode),
        Stop "down-by-stop": Wanted::Down(DownBy::Stop),
    }
}

named! {
    /// What keeps a start waiting.
    Gate {
        Backoff "backoff": "Backoff after a failure, or the next look at a host problem.",
        Window "window": "Too many automatic restarts within the window.",
        Circuit "circuit": "A circuit is open.",
        Limiter "limiter": "Others load, or the host has restarted too often.",
        ReleaseAsked "release-asked": "The release check is under way.",
        ReleaseHeld "release-held": "Something of ours still holds ports or devices.",
        HostProblem "host-problem": "A device is not there, or the driver cannot be used.",
        PortStranger "port-stranger": "A process that is not ours has the port.",
    }
}

named! {
    /// Meetings of things that no single input, effect or event shows.
    Moment {
        AdoptedAfterRestart "adopted-after-restart": "A restarted supervisor found an engine that runs on.",
        EndedWhileDown "ended-while-down": "A restarted supervisor found an engine that had ended.",
        CutAtDeadline "drain-deadline-cut-a-lease": "The deadline of a drain ended a lease.",
        ExitBeforeAck "exit-before-spawn-ack": "The exit of a process was seen before its spawn was acknowledged.",
        ExitLiftsStuck "exit-lifts-stuck": "A process that had outlived KILL ended after all.",
        KillNeeded "kill-after-term": "TERM was not enough.",
        LateSpawnKilled "late-spawn-killed": "A spawn that was given up succeeded, and its process was killed at once.",
        LateSpawnOfForgottenPool "late-spawn-of-forgotten-pool": "The same, of a pool that was forgotten meanwhile.",
        QueueOverflow "queue-overflow": "A lease ask found the queue full.",
        QueuedTooLong "queued-too-long": "A lease ask waited as long as it may.",
        QueuedThenGranted "queued-then-granted": "A lease ask that had waited was granted.",
        WithdrawnTooLate "withdrawn-when-granted": "A caller went away when its lease was granted already.",
        ReloadDuringShutdown "reload-during-shutdown": "A reload was asked of a supervisor that goes down.",
        ShutdownDuringReload "shutdown-during-reload": "A supervisor was told to go down while a reload ran.",
        SecondShutdown "second-shutdown": "A supervisor that goes down was told so again.",
        SecondStorm "second-storm": "A pool had more than one storm of a kind.",
        StaleIncarnation "stale-incarnation": "News of an engine that is not the current one.",
        StaleEffect "stale-effect": "An answer nobody waits for any more.",
        StaleOfForgottenPool "stale-of-forgotten-pool": "News of a pool that was forgotten.",
        TimersOfSeveralPools "timers-of-several-pools-at-once": "Deadlines of several pools in one instant.",
        TimersOfOnePool "timers-of-one-pool-at-once": "Several deadlines of one pool in one instant.",
        ReloadBack "reload-back": "A reload to what ran before.",
        ReloadSameSpec "reload-of-the-same-spec": "A reload to what is committed already.",
        ProbeUncounted "probe-failure-uncounted": "A probe's time-out that did not count, because work went on.",
        SupervisorKilled "supervisor-killed": "The supervisor was killed.",
        SupervisorKilledInStep "supervisor-killed-at-an-effect": "The supervisor was killed between an input and its last effect.",
        OtherVersion "other-version-started": "Another version of the supervisor was started.",
        TailLost "journal-tail-lost": "The supervisor was started with a journal that lacks its end.",
    }
}
