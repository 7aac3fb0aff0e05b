//! The process table of the simulated host: every process that was ever made, who is alive, and what
//! was sent to it.

use std::collections::BTreeMap;

use pool_manager_core::{
    EngineRef, EvidenceReport, ExitStatus, PoolUid, ProbeAnswer, ProbeKind, Signal, SpecHash, Time,
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

    /// The processes of a pool that run.
    pub fn alive(&self, pool: PoolUid) -> impl Iterator<Item = &Process> {
        self.iter().filter(move |process| process.engine.pool == pool && process.is_alive())
    }

    /// The newest process of a pool, alive or not.
    #[must_use]
    pub fn newest(&self, pool: PoolUid) -> Option<&Process> {
        self.iter().filter(|process| process.engine.pool == pool).last()
    }

    /// Pids start where a small Linux host has them after boot.
    pub(crate) fn next_pid(&self) -> u32 {
        1000 + u32::try_from(self.processes.len()).unwrap_or(u32::MAX - 1000)
    }

    pub(crate) fn add(&mut self, process: Process) {
        self.processes.insert(process.engine, process);
    }

    pub(crate) fn get_mut(&mut self, engine: EngineRef) -> Option<&mut Process> {
        self.processes.get_mut(&engine)
    }
}
