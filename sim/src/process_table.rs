//! The process table of the simulated host: every process that was ever made, who is alive, and what
//! was sent to it.

use std::collections::BTreeMap;

use pool_manager_core::{
    EngineRef, EvidenceReport, ExitStatus, Incarnation, PoolUid, ProbeAnswer, ProbeKind, Signal, SpecHash,
    Time,
};

use crate::engine::{EngineHealth, TermBehaviour};
use crate::random::Span;

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Which engine it is.
    pub engine: EngineRef,
    /// Never reused.
    pub pid: u32,
    /// What it was started with.
    pub spec: SpecHash,
    /// When it was made.
    pub spawned: Time,
    /// From when on it is loaded.
    pub loaded_at: Time,
    /// What it answers then.
    pub health: EngineHealth,
    /// What it does on TERM.
    pub term: TermBehaviour,
    /// From KILL to its end.
    pub kill: Span,
    /// From its end until the memory of its GPUs is free.
    pub lingers: Span,
    /// Every probe that was sent to it, oldest first.
    pub probes: Vec<(Time, ProbeKind)>,
    /// Every answer it gave, or failed to give, oldest first.
    pub answers: Vec<(Time, ProbeAnswer)>,
    /// How many bytes it has logged.
    pub logged: u64,
    /// Every signal it got, oldest first.
    pub signals: Vec<(Time, Signal)>,
    /// Whether its spawn was acknowledged.
    pub acknowledged: bool,
    /// When and how it ended.
    pub ended: Option<(Time, ExitStatus)>,
    /// Whether the core was told of its end.
    pub reaped: bool,
    /// What can be found out about its end.
    pub evidence: EvidenceReport,
}

impl Process {
    /// Whether it runs.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether nothing can happen to it any more: it ended and the core was told.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.ended.is_some() && self.reaped
    }

    /// Whether it got this signal.
    #[must_use]
    pub fn got(&self, signal: Signal) -> bool {
        self.signals.iter().any(|(_, sent)| *sent == signal)
    }
}

/// Every process of a run.
#[derive(Clone, Debug, Default)]
pub struct ProcessTable {
    processes: BTreeMap<EngineRef, Process>,
    /// Those that were not over when the last one was made, oldest first: a run makes thousands, and everybody
    /// asks for the few that are not over.
    recent: Vec<EngineRef>,
}

impl ProcessTable {
    /// One process, alive or not.
    #[must_use]
    pub fn of(&self, engine: EngineRef) -> Option<&Process> {
        self.processes.get(&engine)
    }

    /// Every process ever made, by pool and incarnation.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// Every process that is not over, oldest first.
    pub fn not_over(&self) -> impl Iterator<Item = &Process> {
        let recent = self.recent.iter().filter_map(|engine| self.processes.get(engine));
        recent.filter(|process| !process.is_over())
    }

    /// The processes of a pool that run, oldest first.
    pub fn alive(&self, pool: PoolUid) -> impl Iterator<Item = &Process> {
        let recent = self.recent.iter().filter(move |engine| engine.pool == pool);
        recent.filter_map(|engine| self.processes.get(engine)).filter(|process| process.is_alive())
    }

    /// The newest process of a pool, alive or not.
    #[must_use]
    pub fn newest(&self, pool: PoolUid) -> Option<&Process> {
        let run = |epoch, n| EngineRef { pool, incarnation: Incarnation { epoch, n } };
        self.processes.range(run(0, 0)..=run(u32::MAX, u32::MAX)).next_back().map(|(_, process)| process)
    }

    /// Pids start where a small Linux host has them after boot.
    pub(crate) fn next_pid(&self) -> u32 {
        1000 + u32::try_from(self.processes.len()).unwrap_or(u32::MAX - 1000)
    }

    pub(crate) fn add(&mut self, process: Process) {
        let Self { processes, recent } = self;
        recent.retain(|engine| processes.get(engine).is_some_and(|process| !process.is_over()));
        recent.push(process.engine);
        processes.insert(process.engine, process);
    }

    pub(crate) fn get_mut(&mut self, engine: EngineRef) -> Option<&mut Process> {
        self.processes.get_mut(&engine)
    }
}
