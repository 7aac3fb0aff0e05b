//! How engines and models of a scenario behave, and what goes wrong: told to a backend, which brings it about
//! with fake or real processes.

use std::time::Duration;

use pool_manager_core::{SpawnError, StageError};

/// How the engines that serve one model behave, and what staging the model takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// From spawn until they answer as [`Script::health`] says; before, they say that they load.
    pub load: Duration,
    /// What they answer once loaded.
    pub health: ScriptedHealth,
    /// What they do on TERM.
    pub term: ScriptedTerm,
    /// How long KILL takes to end them: longer than nothing for a process in uninterruptible sleep.
    pub kill_takes: Duration,
    /// They end by themselves this long after the spawn, with this exit code.
    pub ends: Option<(Duration, i32)>,
    /// No process comes of a spawn.
    pub spawn_fails: Option<SpawnError>,
    /// How long the memory of their GPUs stays taken after their end.
    pub lingers: Duration,
    /// What staging the model takes.
    pub staging: ScriptedStaging,
}

impl Default for Script {
    /// Loads in 1.2 s, is healthy, exits on TERM, needs no fetch.
    fn default() -> Self {
        Self {
            load: Duration::from_millis(1200),
            health: ScriptedHealth::Healthy,
            term: ScriptedTerm::Exits(Duration::ZERO),
            kill_takes: Duration::ZERO,
            ends: None,
            spawn_fails: None,
            lingers: Duration::ZERO,
            staging: ScriptedStaging::default(),
        }
    }
}

/// What a loaded engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptedHealth {
    /// HTTP 200.
    Healthy,
    /// That it loads, for ever.
    LoadsForEver,
    /// This HTTP status.
    Status(u16),
}

/// What an engine does on TERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptedTerm {
    /// Exits with code 0 after this long.
    Exits(Duration),
    /// Goes on.
    Ignores,
}

/// What staging takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptedStaging {
    /// Whether bytes must be fetched first.
    pub fetch: bool,
    /// How long it takes.
    pub takes: Duration,
    /// It stops moving after this long.
    pub stalls_after: Option<Duration>,
    /// It fails when it would be done.
    pub fails: Option<StageError>,
    /// A look at the model beforehand fails.
    pub preflight_fails: Option<StageError>,
}

/// Something that goes wrong with an engine that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It logs a CUDA error and aborts.
    AbortsOnCuda,
    /// It answers probes with this HTTP status.
    AnswersStatus(u16),
    /// It exits with a code.
    Exits(i32),
    /// The driver reports this Xid on a GPU of its mask.
    GpuFault(u32),
    /// It stops answering probes.
    Hangs,
    /// A signal ends it.
    Killed(i32),
    /// It logs a CUDA error and goes on.
    LogsCudaError,
    /// The kernel's out-of-memory killer takes it.
    OomKilled,
    /// It answers probes as it should again.
    Recovers,
}

/// What is true of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCondition {
    /// Whether the GPU driver fits its library.
    DriverFits(bool),
    /// Only these GPUs are there.
    Gpus(Vec<String>),
    /// Whether a process that is none of ours listens on a port.
    PortTaken(u16, bool),
}
