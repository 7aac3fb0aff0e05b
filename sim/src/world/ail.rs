//! What goes wrong with engines, for faults to call: with the one a pool has, and with the starts and ends that
//! are still to come. Nothing happens where there is no engine.

use std::time::Duration;

use pool_manager_core::{EngineRef, LogClass, PoolUid, SpawnError, Time};

use super::{Occurrence, World};
use crate::engine::{Ending, EngineHealth, TermBehaviour};
use crate::mishap::{BadExit, BadStart, Mishaps};
use crate::process_table::{Freeze, Frozen, Process};

/// A plan that asks for more does not get them: no run is so long, nor any instant.
const MOST: u32 = 32;
const MOST_LINES: u32 = 500;

impl World {
    /// The next `times` starts of a pool go like this.
    pub(crate) fn spoil_starts(&mut self, pool: PoolUid, times: u32, start: &BadStart) {
        (0..times.min(MOST)).for_each(|_| self.mishaps.file_start(pool, start.clone()));
    }

    /// The next `times` ends of a pool's engine are told like this.
    pub(crate) fn spoil_exits(&mut self, pool: PoolUid, times: u32, exit: BadExit) {
        (0..times.min(MOST)).for_each(|_| self.mishaps.file_exit(pool, exit));
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
            let left = lines.min(MOST_LINES);
            self.agenda.file(self.now, Occurrence::Logs { engine, classes, left, every });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Traffic;
    use crate::engine::{EngineProfile, Workers};
    use crate::random::Span;
    use crate::world::{Latencies, TurnOrder, WorldConfig, test_pool};
    use pool_manager_core::{ExitStatus, HoldReason, PhaseName, Signal, Verb};

    const SECOND: Duration = Duration::from_secs(1);

    /// A pool with an engine of two workers that is ready.
    fn ready() -> (World, PoolUid) {
        let host = Default::default();
        let latencies = Latencies::NONE;
        let mut world = World::new(WorldConfig { seed: 1, host, latencies, order: TurnOrder::Driver });
        let mut spec = test_pool("a");
        spec.autostart = true;
        let workers = Workers { count: 2, ..Workers::default() };
        let profile = EngineProfile { workers, ..EngineProfile::default() };
        let pool = world.register(spec, profile).expect("a fresh host takes any pool");
        comes_to(&mut world, pool, PhaseName::Ready);
        (world, pool)
    }

    fn comes_to(world: &mut World, pool: PoolUid, phase: PhaseName) {
        let there = world.run_until(100 * SECOND, |world| self::phase(world, pool) == phase);
        assert!(there, "{:?} is not {phase:?}", self::phase(world, pool));
    }

    fn phase(world: &World, pool: PoolUid) -> PhaseName {
        world.view().pool(pool).expect("nobody deregisters it").phase
    }

    fn newest(world: &World, pool: PoolUid) -> &Process {
        world.processes().newest(pool).expect("one was made")
    }

    fn segfault() -> Ending {
        Ending::plain(ExitStatus::Signal(11))
    }

    #[test]
    fn an_engine_is_not_replaced_before_its_last_worker_is_gone() {
        let (mut world, pool) = ready();
        let first = newest(&world, pool).engine;
        world.detach_workers(pool);
        world.stick_worker(pool, 1, 20 * SECOND);
        let freed_at = world.now() + 20 * SECOND;
        world.crash(pool, segfault());
        comes_to(&mut world, pool, PhaseName::Waiting);
        world.run_for(10 * SECOND);
        let workers = &world.processes().of(first).expect("it was made").workers;
        assert_eq!(workers.iter().map(|worker| worker.killed).collect::<Vec<_>>(), [true, true]);
        assert_eq!(world.processes().of(first).map(Process::live_workers), Some(1), "one is stuck");
        comes_to(&mut world, pool, PhaseName::Ready);
        assert!(newest(&world, pool).spawned >= freed_at);
    }

    #[test]
    fn a_worker_that_does_not_die_holds_its_pool_until_it_does() {
        let (mut world, pool) = ready();
        world.detach_workers(pool);
        world.stick_worker(pool, 0, 50 * SECOND);
        world.crash(pool, segfault());
        comes_to(&mut world, pool, PhaseName::Held);
        assert_eq!(world.view().pool(pool).and_then(|pool| pool.held), Some(HoldReason::NotReleased));
        comes_to(&mut world, pool, PhaseName::Ready);
    }

    #[test]
    fn term_wakes_a_stopped_engine_but_not_a_traced_one() {
        for (by, ended_by) in [(Freeze::Stop, Signal::Graceful), (Freeze::Trace, Signal::KillTree)] {
            let (mut world, pool) = ready();
            world.freeze(pool, by, 60 * SECOND);
            world.command(pool, Verb::Stop);
            comes_to(&mut world, pool, PhaseName::Stopped);
            let process = newest(&world, pool);
            assert_eq!(process.signals.last().map(|(_, signal)| *signal), Some(ended_by), "{by:?}");
            assert_eq!(process.live_workers(), 0);
        }
    }

    #[test]
    fn an_engine_in_uninterruptible_sleep_is_stuck_until_it_wakes() {
        let (mut world, pool) = ready();
        world.freeze(pool, Freeze::Uninterruptible, 60 * SECOND);
        world.command(pool, Verb::Restart);
        comes_to(&mut world, pool, PhaseName::Held);
        assert_eq!(world.view().pool(pool).and_then(|pool| pool.held), Some(HoldReason::Stuck));
        assert!(newest(&world, pool).is_alive());
        comes_to(&mut world, pool, PhaseName::Ready);
    }

    #[test]
    fn a_pid_is_used_again_when_nothing_is_left_of_its_engine() {
        let (mut world, pool) = ready();
        world.make_pids_scarce(3);
        world.crash(pool, segfault());
        world.run_for(5 * SECOND);
        let first = newest(&world, pool).pid;
        world.spoil_exits(pool, 1, BadExit::Zombie(10 * SECOND));
        world.crash(pool, segfault());
        world.run_for(5 * SECOND);
        assert_eq!(world.processes().alive(pool).count(), 0, "the zombie keeps the pool from starting");
        comes_to(&mut world, pool, PhaseName::Ready);
        assert_eq!(newest(&world, pool).pid, first);
        let pids: Vec<u32> = newest(&world, pool).workers.iter().map(|worker| worker.pid).collect();
        assert_eq!(pids, [first + 1, first + 2]);
    }

    #[test]
    fn an_exit_that_is_lost_is_found_and_one_that_is_told_twice_counts_once() {
        let (mut world, pool) = ready();
        world.spoil_exits(pool, 1, BadExit::Late(3 * SECOND));
        world.spoil_exits(pool, 1, BadExit::Twice(10 * SECOND));
        world.crash(pool, segfault());
        assert_eq!(phase(&world, pool), PhaseName::Ready, "nobody knows yet");
        for crashes in 1..=2 {
            world.run_for(15 * SECOND);
            assert_eq!(phase(&world, pool), PhaseName::Ready);
            assert_eq!(world.view().pool(pool).map(|pool| pool.crashes_total), Some(crashes));
            world.crash(pool, segfault());
        }
        world.run_for(15 * SECOND);
        assert_eq!(world.view().pool(pool).map(|pool| pool.crashes_total), Some(3), "each end once");
    }

    #[test]
    fn an_engine_that_dies_before_its_spawn_is_acknowledged_is_replaced() {
        let (mut world, pool) = ready();
        let acknowledged_after = Some(2 * SECOND);
        world.spoil_starts(
            pool,
            1,
            &BadStart { acknowledged_after, ..BadStart::dies_loading(SECOND, segfault()) },
        );
        world.crash(pool, segfault());
        world.run_for(15 * SECOND);
        assert_eq!(phase(&world, pool), PhaseName::Ready);
        assert_eq!(world.processes().iter().count(), 3);
    }

    #[test]
    fn what_hangs_is_not_ended_and_calm_ends_everything() {
        let (mut world, pool) = ready();
        let often = Span::millis(10, 20);
        world.set_traffic(
            pool,
            Traffic {
                every: often,
                work: often,
                forgets_one_in: 0,
                renews_one_in: 0,
                withdraws_one_in: 0,
                ttl: None,
            },
        );
        world.run_for(SECOND);
        world.hang_generation(pool, 1000 * SECOND);
        world.ail(pool, EngineHealth::Flaps { well: 6 * SECOND, ill: SECOND }, 1000 * SECOND);
        world.run_for(10 * SECOND);
        let view = world.view().pool(pool).expect("nobody deregisters it");
        assert_eq!((view.phase, view.leases_active), (PhaseName::Ready, view.policy.lease.slots));
        world.freeze(pool, Freeze::Trace, 1000 * SECOND);
        world.spoil_starts(pool, 9, &BadStart { refused: Some(SpawnError::Denied), ..BadStart::default() });
        world.calm();
        let process = newest(&world, pool);
        assert_eq!((process.health_at(world.now()), &process.frozen), (EngineHealth::Healthy, &None));
        world.crash(pool, segfault());
        comes_to(&mut world, pool, PhaseName::Ready);
    }
}
