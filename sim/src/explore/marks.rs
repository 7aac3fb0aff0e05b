//! What must happen sometimes: a search that never saw one of these has not searched what it claims to. One list, each
//! with what a world must have for it.

use pool_manager_core::{
    CircuitState, DrainOutcome, EventKind, HoldReason, LeaseEnding, Outcome, PhaseName, PoolView, Refusal,
};

use super::world::World;

macro_rules! marks {
    ($($(#[$doc:meta])* $name:ident: $label:literal, $needs:expr;)*) => {
        /// Something that must happen in a search.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mark {
            $($(#[$doc])* $name,)*
        }

        impl Mark {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// A short phrase for people.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// What a world must have for it: pools, leases, faults and acts.
            const fn needs(self) -> [u8; 4] {
                match self {
                    $(Self::$name => $needs,)*
                }
            }
        }
    };
}

marks! {
    /// A pool was in phase Stopped.
    Stopped: "phase stopped", [1, 0, 0, 1];
    /// A pool was in phase Staging.
    Staging: "phase staging", [1, 0, 0, 1];
    /// A pool was in phase Waiting.
    Waiting: "phase waiting", [1, 0, 0, 0];
    /// A pool was in phase Starting.
    Starting: "phase starting", [1, 0, 0, 0];
    /// A pool was in phase Ready.
    Ready: "phase ready", [1, 0, 0, 0];
    /// A pool was in phase Draining.
    Draining: "phase draining", [1, 1, 0, 1];
    /// A pool was in phase Stopping.
    Stopping: "phase stopping", [1, 0, 0, 1];
    /// A pool was in phase Ended.
    Ended: "phase ended", [1, 0, 0, 1];
    /// A pool was held for its configuration.
    HeldConfig: "held config", [1, 0, 1, 0];
    /// A pool was held because nothing was released in time.
    HeldNotReleased: "held not_released", [1, 0, 1, 0];
    /// A pool was held for another one's stuck engine.
    HeldQuarantine: "held quarantine", [2, 0, 2, 0];
    /// A pool was held because its engine outlived KILL.
    HeldStuck: "held stuck", [1, 0, 1, 1];
    /// An engine was sent TERM.
    Term: "TERM", [1, 0, 0, 1];
    /// An engine was sent KILL.
    Kill: "KILL", [1, 0, 0, 1];
    /// A circuit opened.
    CircuitOpen: "circuit open", [1, 0, 2, 0];
    /// A circuit became half-open.
    CircuitHalfOpen: "circuit half-open", [1, 0, 2, 0];
    /// A circuit closed again.
    CircuitClosed: "circuit closed again", [1, 0, 2, 0];
    /// A restart was held back because the window was full.
    WindowFull: "restart window full", [1, 0, 2, 0];
    /// A restart was prevented by an open circuit.
    RestartPrevented: "restart prevented", [1, 0, 2, 0];
    /// A lease was granted.
    Granted: "lease granted", [1, 1, 0, 0];
    /// A lease was cut.
    LeaseCut: "lease cut", [1, 1, 0, 1];
    /// A lease expired.
    LeaseExpired: "lease expired", [1, 1, 0, 0];
    /// A lease was lost with its engine.
    LeaseLost: "lease lost", [1, 1, 1, 0];
    /// A lease ask was refused because all was full for too long.
    AskFull: "ask refused: full", [1, 2, 0, 0];
    /// A lease ask was refused by a draining pool.
    AskDraining: "ask refused: draining", [1, 2, 0, 1];
    /// A lease ask was refused by a pool that reloads.
    AskReloading: "ask refused: reloading", [1, 1, 0, 1];
    /// A lease ask was refused by a pool that is not ready.
    AskNotReady: "ask refused: not ready", [1, 1, 0, 0];
    /// A drain was emptied in time.
    DrainCompleted: "drain completed", [1, 1, 0, 1];
    /// The engine ended while it drained.
    DrainEngineExited: "drain: engine exited", [1, 1, 1, 1];
    /// A drain's deadline passed, and the rest was cut.
    DrainForced: "drain: force-stopped", [1, 1, 0, 1];
    /// A drain was superseded.
    DrainSuperseded: "drain: superseded", [1, 1, 0, 2];
    /// A drain's deadline passed, and it was given up.
    DrainTimedOut: "drain: timed out", [1, 1, 0, 1];
    /// A drain was taken back.
    DrainUndrained: "drain: undrained", [1, 1, 0, 2];
    /// An operation completed.
    Completed: "operation completed", [1, 0, 0, 1];
    /// An operation ended because the engine exited.
    EngineExited: "operation: engine exited", [1, 1, 1, 1];
    /// An operation failed.
    Failed: "operation failed", [1, 0, 1, 1];
    /// A drain or stop ended with leases cut.
    ForceStopped: "operation: force-stopped", [1, 1, 0, 1];
    /// An operation was interrupted by the supervisor's death.
    Interrupted: "operation: interrupted", [1, 0, 1, 1];
    /// A reload was rolled back.
    RolledBack: "reload rolled back", [1, 0, 1, 1];
    /// An operation ended because the engine is stuck.
    Stuck: "operation: stuck", [1, 0, 1, 1];
    /// An operation was superseded.
    Superseded: "operation superseded", [1, 0, 0, 2];
    /// An operation gave up at its drain's deadline.
    TimedOut: "operation timed out", [1, 1, 0, 1];
    /// A drain operation was undrained.
    Undrained: "operation undrained", [1, 1, 0, 2];
    /// A reload committed another spec.
    Committed: "reload committed", [1, 0, 0, 1];
    /// A reload failed, and so did the start of the old engine.
    BothFailed: "reload and rollback failed", [1, 0, 2, 1];
    /// An engine was suspected of a CUDA error.
    Suspect: "suspect", [1, 0, 1, 0];
    /// A suspect was cleared.
    Cleared: "suspect cleared", [1, 0, 1, 0];
    /// A suspect was doomed.
    Doomed: "suspect doomed", [1, 0, 2, 0];
    /// The supervisor went on after its death.
    Resumed: "resumed", [1, 0, 1, 0];
    /// An engine was adopted.
    Adopted: "engine adopted", [1, 0, 1, 0];
    /// A stranger had the port.
    Stranger: "port stranger", [1, 0, 1, 0];
    /// An answer came when nobody waited for it any more.
    StaleAnswer: "stale answer", [1, 0, 1, 0];
    /// A liveness probe failed.
    ProbeFailed: "liveness probe failed", [1, 0, 1, 0];
    /// A file could not be written or removed.
    FileFailed: "file failed", [1, 0, 1, 0];
    /// A restart was allowed.
    Allowed: "restart allowed", [1, 0, 0, 1];
    /// The breaker was reset.
    BreakerReset: "breaker reset", [1, 0, 0, 1];
    /// A pool was forgotten.
    Deregistered: "deregistered", [1, 0, 0, 1];
    /// A command met a higher operation.
    Busy: "refused: busy", [1, 0, 0, 2];
    /// A command met an open circuit.
    RefusedByCircuit: "refused: circuit open", [1, 0, 2, 1];
    /// A second request to shut down.
    ShutdownForced: "shutdown forced", [1, 0, 0, 2];
    /// The supervisor exited.
    Exit: "exit", [1, 0, 0, 1];
    /// A pool waited for another one's load.
    LimiterWaits: "start limiter waits", [2, 0, 0, 0];
}

/// Which marks were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u128);

impl Marks {
    pub(super) const fn see(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u32;
    }

    pub(super) const fn saw(self, mark: Mark) -> bool {
        self.0 & (1 << mark as u32) != 0
    }

    /// What this world must have shown and did not.
    pub(super) fn missing(self, world: &World) -> Vec<Mark> {
        let has = [world.pools, world.leases, world.faults, world.acts];
        let demanded = |mark: &&Mark| mark.needs().iter().zip(has).all(|(needs, has)| *needs <= has);
        Mark::ALL.iter().filter(demanded).filter(|mark| !self.saw(**mark)).copied().collect()
    }

    pub(super) fn see_pool(&mut self, pool: &PoolView<'_>) {
        self.see(match pool.phase {
            PhaseName::Stopped => Mark::Stopped,
            PhaseName::Staging => Mark::Staging,
            PhaseName::Waiting => Mark::Waiting,
            PhaseName::Starting => Mark::Starting,
            PhaseName::Ready => Mark::Ready,
            PhaseName::Draining => Mark::Draining,
            PhaseName::Stopping => Mark::Stopping,
            PhaseName::Ended => Mark::Ended,
            PhaseName::Held => match pool.held {
                Some(HoldReason::Config) | None => Mark::HeldConfig,
                Some(HoldReason::NotReleased) => Mark::HeldNotReleased,
                Some(HoldReason::Quarantine) => Mark::HeldQuarantine,
                Some(HoldReason::Stuck) => Mark::HeldStuck,
            },
        });
        if pool.gates.is_some_and(|gates| gates.limiter_until.is_some()) {
            self.see(Mark::LimiterWaits);
        }
    }

    pub(super) fn see_refusal(&mut self, refusal: &Refusal) {
        self.see(match refusal {
            Refusal::Busy { .. } => Mark::Busy,
            Refusal::CircuitOpen { .. } => Mark::RefusedByCircuit,
            Refusal::Draining { .. } => Mark::AskDraining,
            Refusal::Full { .. } => Mark::AskFull,
            Refusal::NotReady { .. } => Mark::AskNotReady,
            Refusal::Reloading { .. } => Mark::AskReloading,
            Refusal::NameTaken { .. }
            | Refusal::NoPrevious
            | Refusal::NotDraining
            | Refusal::NotWanted
            | Refusal::PortTaken { .. }
            | Refusal::ShuttingDown
            | Refusal::TooLate
            | Refusal::UnknownLease
            | Refusal::UnknownPool => return,
        });
    }

    pub(super) fn see_event(&mut self, event: &EventKind) {
        let mark = match event {
            EventKind::CircuitChanged { to, .. } => match to {
                CircuitState::Open => Mark::CircuitOpen,
                CircuitState::HalfOpen => Mark::CircuitHalfOpen,
                CircuitState::Closed => Mark::CircuitClosed,
            },
            EventKind::Committed { .. } => Mark::Committed,
            EventKind::Deregistered => Mark::Deregistered,
            EventKind::DrainEnded { outcome, .. } => match outcome {
                DrainOutcome::Completed => Mark::DrainCompleted,
                DrainOutcome::EngineExited => Mark::DrainEngineExited,
                DrainOutcome::ForceStopped => Mark::DrainForced,
                DrainOutcome::Superseded => Mark::DrainSuperseded,
                DrainOutcome::TimedOut => Mark::DrainTimedOut,
                DrainOutcome::Undrained => Mark::DrainUndrained,
            },
            EventKind::EngineCleared => Mark::Cleared,
            EventKind::EngineDoomed { .. } => Mark::Doomed,
            EventKind::EngineSuspect { .. } => Mark::Suspect,
            EventKind::FileFailed { .. } => Mark::FileFailed,
            EventKind::LeaseEnded { how, .. } => match how {
                LeaseEnding::Cut => Mark::LeaseCut,
                LeaseEnding::Expired => Mark::LeaseExpired,
                LeaseEnding::Lost => Mark::LeaseLost,
                LeaseEnding::Completed => return,
            },
            EventKind::OperationEnded { outcome, .. } => match outcome {
                Outcome::Completed => Mark::Completed,
                Outcome::EngineExited { .. } => Mark::EngineExited,
                Outcome::Failed { also: Some(_), .. } => {
                    self.see(Mark::BothFailed);
                    Mark::Failed
                }
                Outcome::Failed { also: None, .. } => Mark::Failed,
                Outcome::ForceStopped { .. } => Mark::ForceStopped,
                Outcome::Interrupted => Mark::Interrupted,
                Outcome::RolledBack { .. } => Mark::RolledBack,
                Outcome::Stuck => Mark::Stuck,
                Outcome::Superseded { .. } => Mark::Superseded,
                Outcome::TimedOut => Mark::TimedOut,
                Outcome::Undrained => Mark::Undrained,
            },
            EventKind::PortStranger { .. } => Mark::Stranger,
            EventKind::ProbeFailed { .. } => Mark::ProbeFailed,
            EventKind::BreakerReset => Mark::BreakerReset,
            EventKind::RestartAllowed => Mark::Allowed,
            EventKind::RestartHeldBack { .. } => Mark::WindowFull,
            EventKind::RestartPrevented { .. } => Mark::RestartPrevented,
            EventKind::Resumed { adopted, .. } => {
                if *adopted > 0 {
                    self.see(Mark::Adopted);
                }
                Mark::Resumed
            }
            EventKind::ShutdownStarted { forced: true } => Mark::ShutdownForced,
            EventKind::CandidateFailed { .. }
            | EventKind::Crashed { .. }
            | EventKind::DrainStarted { .. }
            | EventKind::EngineEnded { .. }
            | EventKind::EngineReady { .. }
            | EventKind::EngineSpawned { .. }
            | EventKind::EngineStuck
            | EventKind::ModelStaged { .. }
            | EventKind::OperationStarted { .. }
            | EventKind::PhaseChanged { .. }
            | EventKind::Registered
            | EventKind::RestartScheduled { .. }
            | EventKind::RestartsFrequent { .. }
            | EventKind::ShutdownStarted { forced: false }
            | EventKind::Signalled { .. }
            | EventKind::StaleInput
            | EventKind::StormBegan { .. } => return,
        };
        self.see(mark);
    }
}
