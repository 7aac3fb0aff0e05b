//! The process table of the simulated host: every process that was ever made, who is alive, who holds which pid,
//! and what was sent to whom.
//!
//! An engine is a tree: its first process, which the core knows, and workers, which it does not. The number of
//! the first process stays taken until nothing of the tree is left, as the daemon keeps its zombie so long.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::{
    EngineRef, EvidenceReport, ExitStatus, Incarnation, LogClass, LogEvidence, PoolUid, ProbeAnswer,
    ProbeKind, Signal, SpecHash, Time,
};

use crate::engine::{Ending, EngineHealth, TermBehaviour};
use crate::random::Span;

/// One engine.
#[derive(Clone, Debug)]
pub struct Process {
    /// Which engine it is.
    pub engine: EngineRef,
    /// Of its first process; another may get it when nothing is left of this one.
    pub pid: u32,
    /// What it was started with.
    pub spec: SpecHash,
    /// When it was made.
    pub spawned: Time,
    /// From when on it is loaded.
    pub loaded_at: Time,
    /// What it answers then.
    pub health: EngineHealth,
    /// What it answers instead, and until when.
    pub ailment: Option<(EngineHealth, Time)>,
    /// Until when nothing it generates comes to an end.
    pub generation_hangs_until: Time,
    /// What it does on TERM.
    pub term: TermBehaviour,
    /// From KILL to its end.
    pub kill: Span,
    /// From its end until the memory of its GPUs is free.
    pub lingers: Span,
    /// What it made beside its first process.
    pub workers: Vec<Worker>,
    /// How long its workers live on when it ends; `None`: they do not notice it.
    pub workers_follow: Option<Span>,
    /// It does not run at present.
    pub frozen: Option<Frozen>,
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
    /// Whether its status goes to init: the supervisor that made it died.
    pub is_inits: bool,
    /// When and how it ended.
    pub ended: Option<(Time, ExitStatus)>,
    /// Whether the core was told of its end.
    pub reaped: bool,
    /// How long the number of its first process stays taken although nothing is left of it.
    pub pid_kept: Span,
    /// Whether that number was given back.
    pub pid_is_free: bool,
    /// What can be found out about its end.
    pub evidence: EvidenceReport,
}

/// A process that an engine made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its number; nobody ever signals it by that.
    pub pid: u32,
    /// In uninterruptible sleep until then: KILL takes so long.
    pub stuck_until: Time,
    /// Whether it got KILL.
    pub killed: bool,
    /// When it ended.
    pub ended: Option<Time>,
}

/// A process that does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// How it is kept from running.
    pub by: Freeze,
    /// Since when.
    pub since: Time,
    /// Until when, if nothing wakes it before.
    pub until: Time,
    /// How it will have ended when it runs again.
    pub ending: Option<Ending>,
}

/// How a process is kept from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freeze {
    /// By SIGSTOP: CONT wakes it, KILL ends it.
    Stop,
    /// By a debugger: CONT does nothing, KILL ends it.
    Trace,
    /// By the kernel, in a driver: nothing helps.
    Uninterruptible,
}

impl Process {
    /// Whether its first process runs.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether nothing can happen to it any more: the core was told of its end, and nothing is left of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.is_some() && self.reaped && self.pid_is_free && self.live_workers() == 0
    }

    /// How many of its workers run.
    #[must_use]
    pub fn live_workers(&self) -> usize {
        self.workers.iter().filter(|worker| worker.ended.is_none()).count()
    }

    /// Whether it got this signal.
    #[must_use]
    pub fn got(&self, signal: Signal) -> bool {
        self.signals.iter().any(|(_, sent)| *sent == signal)
    }

    /// What it answers now, once it is loaded.
    pub(crate) fn health_at(&self, now: Time) -> EngineHealth {
        self.ailment.filter(|(_, until)| now < *until).map_or(self.health, |(health, _)| health)
    }

    /// How long an answer takes by the engine's own doing; for ever where none comes.
    pub(crate) fn answers_after(&self, now: Time) -> Duration {
        match self.health_at(now) {
            _ if self.frozen.is_some() => Duration::MAX,
            // Nobody is there to be slow.
            _ if !self.is_alive() || now < self.loaded_at => Duration::ZERO,
            EngineHealth::Hangs => Duration::MAX,
            EngineHealth::Slow(by) => by,
            EngineHealth::Busy
            | EngineHealth::Flaps { .. }
            | EngineHealth::Healthy
            | EngineHealth::Status(_) => Duration::ZERO,
        }
    }

    /// What it answers, where it answers in time. `busy`: it has work.
    pub(crate) fn answer(&self, now: Time, busy: bool) -> ProbeAnswer {
        if now < self.loaded_at {
            return ProbeAnswer::Loading;
        }
        match self.health_at(now) {
            EngineHealth::Busy if busy => ProbeAnswer::Loading,
            EngineHealth::Flaps { well, ill } if is_ill(now.since(self.loaded_at), well, ill) => {
                ProbeAnswer::Unhealthy { status: 500 }
            }
            EngineHealth::Status(status) => ProbeAnswer::Unhealthy { status },
            EngineHealth::Hangs => ProbeAnswer::TimedOut,
            EngineHealth::Busy
            | EngineHealth::Flaps { .. }
            | EngineHealth::Healthy
            | EngineHealth::Slow(_) => ProbeAnswer::Healthy,
        }
    }

    /// The next line it logs.
    pub(crate) fn log(&mut self, class: LogClass) -> LogEvidence {
        let line = LogEvidence { class, offset: self.logged };
        self.logged += 100;
        if self.evidence.log.len() < EvidenceReport::MOST_LINES {
            self.evidence.log.push(line);
        }
        line
    }

    fn holds(&self, pid: u32) -> bool {
        let worker = |worker: &Worker| worker.pid == pid && worker.ended.is_none();
        self.pid == pid && !self.pid_is_free || self.workers.iter().any(worker)
    }
}

/// Whether a span that began well has come to an ill part.
fn is_ill(passed: Duration, well: Duration, ill: Duration) -> bool {
    let round = (well + ill).as_nanos().max(1);
    passed.as_nanos() % round >= well.as_nanos()
}

/// Every process of a run.
#[derive(Clone, Debug, Default)]
pub struct ProcessTable {
    processes: BTreeMap<EngineRef, Process>,
    /// Those that were not over when the last one was made, oldest first: a run makes thousands, and everybody
    /// asks for the few that are not over.
    recent: Vec<EngineRef>,
    /// How many numbers were taken, as long as there are enough.
    numbered: u32,
    /// Only so many numbers there are; `None`: enough.
    numbers: Option<u32>,
}

/// Pids start where a small Linux host has them after boot.
const FIRST_PID: u32 = 1000;
/// Where the few there are start. Below all others, so that none of those is ever among them.
const FIRST_OF_FEW: u32 = 300;

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

    /// The engines of a pool whose first process runs, oldest first.
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

    /// Whose engine holds a pid: runs under it, or keeps it as its zombie's.
    #[must_use]
    pub fn holder(&self, pid: u32) -> Option<EngineRef> {
        self.not_over().find(|process| process.holds(pid)).map(|process| process.engine)
    }

    /// From now on only so many pids are there, and the lowest that is free is taken; `None`: as many as anybody
    /// wants, and none is taken twice.
    pub(crate) const fn set_numbers(&mut self, most: Option<u32>) {
        self.numbers = most;
    }

    /// A pid for a new process; `None`: all are taken.
    pub(crate) fn take_pid(&mut self) -> Option<u32> {
        let Some(most) = self.numbers else {
            self.numbered += 1;
            return Some(FIRST_PID - 1 + self.numbered);
        };
        (FIRST_OF_FEW..).take(most as usize).find(|pid| self.holder(*pid).is_none())
    }

    pub(crate) fn add(&mut self, process: Process) {
        let Self { processes, recent, .. } = self;
        recent.retain(|engine| processes.get(engine).is_some_and(|process| !process.is_over()));
        recent.push(process.engine);
        processes.insert(process.engine, process);
    }

    pub(crate) fn get_mut(&mut self, engine: EngineRef) -> Option<&mut Process> {
        self.processes.get_mut(&engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids_rise_as_long_as_there_are_enough_and_run_out_when_there_are_few() {
        let mut table = ProcessTable::default();
        assert_eq!([table.take_pid(), table.take_pid()], [Some(1000), Some(1001)]);
        table.set_numbers(Some(1));
        assert_eq!([table.take_pid(), table.take_pid()], [Some(300), Some(300)], "nobody took it");
        table.set_numbers(Some(0));
        assert_eq!(table.take_pid(), None);
        table.set_numbers(None);
        assert_eq!(table.take_pid(), Some(1002));
    }
}
