//! What goes wrong with engines, for faults to call: with the one a pool has, and with the starts and ends that
//! are still to come. Nothing happens where there is no engine.

use std::time::Duration;

use pool_manager_core::{EngineRef, LogClass, PoolUid, SpawnError, Time};

use super::{Occurrence, World};
use crate::engine::{Ending, EngineHealth, TermBehaviour};
use crate::mishap::{BadExit, BadStart, Mishaps};
use crate::process_table::{Freeze, Frozen, Process};

impl World {
    /// The next `times` starts of a pool go like this.
    pub(crate) fn spoil_starts(&mut self, pool: PoolUid, times: u32, start: &BadStart) {
        (0..times).for_each(|_| self.mishaps.file_start(pool, start.clone()));
    }

    /// The next `times` ends of a pool's engine are told like this.
    pub(crate) fn spoil_exits(&mut self, pool: PoolUid, times: u32, exit: BadExit) {
        (0..times).for_each(|_| self.mishaps.file_exit(pool, exit));
    }

    /// A pool's program cannot be executed for a while.
    pub(crate) fn spoil_program(&mut self, pool: PoolUid, error: SpawnError, lasts: Duration) {
        self.mishaps.spoil_program(pool, error, self.now + lasts);
    }

    /// For a while no engine can be made beside so many others.
    pub(crate) fn run_short(&mut self, beyond: usize, lasts: Duration) {
        self.mishaps.run_short(beyond, self.now + lasts);
    }

    /// From now on pids come from a small space, the lowest that is free first.
    pub(crate) const fn make_pids_scarce(&mut self, most: u32) {
        self.processes.set_numbers(Some(most));
    }

    /// The pool's engine answers like this for a while.
    pub(crate) fn ail(&mut self, pool: PoolUid, health: EngineHealth, lasts: Duration) {
        let until = self.now + lasts;
        self.with_engine(pool, |process| process.ailment = Some((health, until)));
    }

    /// For a while nothing that the pool's engine generates comes to an end.
    pub(crate) fn hang_generation(&mut self, pool: PoolUid, lasts: Duration) {
        let until = self.now + lasts;
        let Some(engine) = self.with_engine(pool, |process| {
            process.generation_hangs_until = until;
            process.engine
        }) else {
            return;
        };
        self.agenda.retain(|occurrence| !occurrence.is_end_of_work(engine));
    }

    /// The pool's engine takes TERM like this from now on.
    pub(crate) fn set_term(&mut self, pool: PoolUid, term: TermBehaviour) {
        self.with_engine(pool, |process| process.term = term);
    }

    /// The pool's engine, if it is loading, is loaded so much later.
    pub(crate) fn slow_load(&mut self, pool: PoolUid, by: Duration) {
        let now = self.now;
        self.with_engine(pool, |process| {
            if process.loaded_at > now {
                process.loaded_at = process.loaded_at + by;
            }
        });
    }

    /// The pool's engine dies by itself after a while, if it lives so long.
    pub(crate) fn crash_after(&mut self, pool: PoolUid, after: Duration, ending: Ending) {
        if let Some(engine) = self.live_engine(pool) {
            self.agenda.file(self.now + after, Occurrence::EngineDies { engine, ending });
        }
    }

    /// The pool's engine logs lines that mean something, of these classes in turn.
    pub(crate) fn flood_log(&mut self, pool: PoolUid, classes: Vec<LogClass>, lines: u32, every: Duration) {
        if let Some(engine) = self.live_engine(pool) {
            self.agenda.file(self.now, Occurrence::Logs { engine, classes, left: lines, every });
        }
    }

    /// The pool's engine does not run for a while.
    pub(crate) fn freeze(&mut self, pool: PoolUid, by: Freeze, lasts: Duration) {
        let (since, until) = (self.now, self.now + lasts);
        let frozen = Frozen { by, since, until, ending: None };
        let engine = self.with_engine(pool, |process| {
            process.frozen.get_or_insert(frozen);
            process.engine
        });
        if let Some(engine) = engine {
            self.agenda.file(until, Occurrence::Thaws { engine });
        }
    }

    /// The workers of the pool's engine will not notice when its first process ends.
    pub(crate) fn detach_workers(&mut self, pool: PoolUid) {
        self.with_engine(pool, |process| process.workers_follow = None);
    }

    /// One worker of the pool's engine is in uninterruptible sleep for a while.
    pub(crate) fn stick_worker(&mut self, pool: PoolUid, place: usize, lasts: Duration) {
        let until = self.now + lasts;
        self.with_engine(pool, |process| {
            if let Some(worker) = process.workers.get_mut(place) {
                worker.stuck_until = until;
            }
        });
    }

    /// One worker of the pool's engine dies. `false`: there is none.
    pub(crate) fn kill_worker(&mut self, pool: PoolUid, place: usize) -> bool {
        let Some(engine) = self.live_engine(pool) else { return false };
        let workers = self.processes.of(engine).map_or(0, |process| process.workers.len());
        if place < workers {
            self.worker_ends(engine, place);
        }
        place < workers
    }

    /// Engines behave from now on: what keeps them from it passes, and what was to go wrong does not.
    pub(super) fn calm_engines(&mut self) {
        self.calm = true;
        self.mishaps = Mishaps::default();
        self.processes.set_numbers(None);
        self.agenda.retain(|occurrence| !occurrence.is_trouble());
        let engines: Vec<EngineRef> = self.processes.not_over().map(|process| process.engine).collect();
        for engine in engines {
            self.calm_engine(engine);
        }
    }

    fn calm_engine(&mut self, engine: EngineRef) {
        let Some(process) = self.processes.get_mut(engine) else { return };
        process.ailment = None;
        process.generation_hangs_until = Time::ZERO;
        for (place, worker) in process.workers.iter_mut().enumerate() {
            worker.stuck_until = Time::ZERO;
            if worker.killed && worker.ended.is_none() {
                self.agenda.file(self.now, Occurrence::WorkerEnds { engine, place });
            }
        }
        self.thaw(engine);
    }

    fn with_engine<T>(&mut self, pool: PoolUid, act: impl FnOnce(&mut Process) -> T) -> Option<T> {
        let engine = self.live_engine(pool)?;
        self.processes.get_mut(engine).map(act)
    }
}
