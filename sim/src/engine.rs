//! Fake engines: how long they load, which processes they make, how they answer, how they take TERM, and how
//! they die.
//!
//! The profile is the recipe; `world` draws one life from it per spawn.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass, SpawnError};

use crate::random::Span;

/// How the engines of a pool behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineProfile {
    /// From the spawn effect to its acknowledgement. The process exists from the effect on.
    pub spawn_ack: Span,
    /// From spawn until it answers as healthy.
    pub load: Span,
    /// What it answers once loaded.
    pub health: EngineHealth,
    /// What it makes beside its first process.
    pub workers: Workers,
    /// What it does on TERM.
    pub term: TermBehaviour,
    /// From KILL to its end.
    pub kill: Span,
    /// From its end until the memory of its GPUs is free.
    pub lingers: Span,
    /// Ways it may die by itself.
    pub hazard: Option<Hazard>,
    /// Once in so many spawns no process comes of it; 0: never.
    pub spawn_fails_one_in: u32,
    /// The error of a spawn that fails.
    pub spawn_error: SpawnError,
    /// Once in so many spawns KILL takes a minute (a process in uninterruptible sleep); 0: never.
    pub sticks_one_in: u32,
}

/// What a loaded engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineHealth {
    /// As it should, and 503 as long as it has work.
    Busy,
    /// As it should for a while, then badly for a while, and so on from when it was loaded.
    Flaps {
        /// How long it answers well.
        well: Duration,
        /// How long it answers 500.
        ill: Duration,
    },
    /// Nothing, until the probe gives up.
    Hangs,
    /// As it should.
    Healthy,
    /// As it should, after this long.
    Slow(Duration),
    /// This HTTP status.
    Status(u16),
}

/// Processes an engine makes beside its first: tensor-parallel ranks, schedulers, shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// How many.
    pub count: u32,
    /// From the spawn until they are there.
    pub after: Span,
    /// From the first process's end to theirs, where they notice it.
    pub follow: Span,
    /// Once in so many spawns they do not notice its end and live on; 0: never.
    pub outlive_one_in: u32,
}

/// What an engine does on TERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermBehaviour {
    /// Exits with code 0 after this long.
    Exits(Span),
    /// Goes on.
    Ignores,
}

/// Ways to die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// Once in so many spawns.
    pub one_in: u32,
    /// How long after the spawn.
    pub after: Span,
    /// One of these.
    pub endings: Vec<Ending>,
}

/// One way to die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What the parent is told.
    pub status: ExitStatus,
    /// What the log said before, in order.
    pub log: Vec<LogClass>,
    /// Whether the kernel's out-of-memory killer did it.
    pub oom_kill: bool,
}

impl Ending {
    /// Dies with a status and says nothing.
    #[must_use]
    pub const fn plain(status: ExitStatus) -> Self {
        Self { status, log: Vec::new(), oom_kill: false }
    }

    /// Killed by the kernel for want of memory.
    #[must_use]
    pub const fn oom_killed() -> Self {
        Self { status: ExitStatus::Signal(9), log: Vec::new(), oom_kill: true }
    }
}

impl EngineProfile {
    /// Loads for longer than this are not of an engine that behaves.
    const LONGEST_LOAD: Duration = Duration::from_secs(5);

    /// The same kind of engine when nothing goes wrong: it loads in time, answers well, and lives.
    #[must_use]
    pub(crate) fn behaving(self) -> Self {
        let load =
            Span { from: self.load.from.min(Self::LONGEST_LOAD), to: self.load.to.min(Self::LONGEST_LOAD) };
        Self {
            load,
            health: EngineHealth::Healthy,
            workers: Workers { outlive_one_in: 0, ..self.workers },
            hazard: None,
            spawn_fails_one_in: 0,
            sticks_one_in: 0,
            ..self
        }
    }
}

impl Default for EngineProfile {
    /// Loads in 2 s, is healthy, exits 50 ms after TERM, never dies by itself.
    fn default() -> Self {
        Self {
            spawn_ack: Span::millis(1, 1),
            load: Span::millis(2000, 2000),
            health: EngineHealth::Healthy,
            workers: Workers::default(),
            term: TermBehaviour::Exits(Span::millis(50, 50)),
            kill: Span::millis(1, 1),
            lingers: Span::NONE,
            hazard: None,
            spawn_fails_one_in: 0,
            spawn_error: SpawnError::NoResources,
            sticks_one_in: 0,
        }
    }
}
