//! How engines begin and end in the simulated host: processes, their workers, signals, and what the daemon's
//! executors do about the rest of a tree whose first process has ended.

use std::time::Duration;

use pool_manager_core::{
    Completion, EffectId, EngineRef, EvidenceReport, ExitStatus, Input, Signal, SpawnError, SpecHash, Time,
};

use super::{Occurrence, World};
use crate::engine::{Ending, EngineProfile, TermBehaviour, Workers};
use crate::mishap::{BadExit, BadStart};
use crate::process_table::{Freeze, Process, Worker};
use crate::random::Span;

/// A process in uninterruptible sleep takes this long to die of KILL.
const STUCK_FOR: Span = Span::millis(30_000, 90_000);

impl World {
    pub(super) fn spawn(&mut self, id: EffectId, engine: EngineRef, spec: SpecHash) {
        let profile = self.profiles.get(&spec).cloned().unwrap_or_default();
        let profile = if self.calm { profile.behaving() } else { profile };
        let start = self.mishaps.next_start(engine.pool, self.processes.not_over().count(), self.now);
        let stream = self.streams.of_engines(self.seed, engine.pool);
        let acknowledged_at =
            self.now + start.acknowledged_after.unwrap_or_else(|| stream.span(profile.spawn_ack));
        let refused =
            if stream.one_in(profile.spawn_fails_one_in) { Some(profile.spawn_error) } else { None };
        let made = match start.refused.or(refused) {
            Some(error) => Err(error),
            None => self.processes.take_pid().ok_or(SpawnError::NoResources),
        };
        match made {
            Ok(pid) => {
                self.begin(engine, (pid, spec), profile, start);
                self.agenda.file(acknowledged_at, Occurrence::SpawnLands { id, engine, pid });
            }
            Err(error) => {
                let result = Completion::Spawned(Err(error));
                self.agenda.file(acknowledged_at, Occurrence::Completes { id, result });
            }
        }
    }

    /// The life of an engine is drawn.
    fn begin(
        &mut self,
        engine: EngineRef,
        (pid, spec): (u32, SpecHash),
        profile: EngineProfile,
        start: BadStart,
    ) {
        let now = self.now;
        let stream = self.streams.of_engines(self.seed, engine.pool);
        let EngineProfile { health, term, lingers, hazard, workers, .. } = profile;
        let load = stream.span(profile.load);
        let kill = if stream.one_in(profile.sticks_one_in) { STUCK_FOR } else { profile.kill };
        if let Some(hazard) = hazard
            && stream.one_in(hazard.one_in)
            && let Some(ending) = stream.pick(&hazard.endings).cloned()
        {
            let at = now + stream.span(hazard.after);
            self.agenda.file(at, Occurrence::EngineDies { engine, ending });
        }
        if let Some((after, ending)) = start.dies {
            self.agenda.file(now + after, Occurrence::EngineDies { engine, ending });
        }
        let Workers { count, after, follow, outlive_one_in } = workers;
        let mut workers_follow = Some(follow);
        if count > 0 {
            let after = stream.span(after);
            self.agenda.file(now + after, Occurrence::WorkersBegin { engine, count });
            workers_follow = workers_follow.filter(|_| !stream.one_in(outlive_one_in));
        }
        let loads = self.burden(engine, spec, start.loads_for.unwrap_or(load));
        self.processes.add(Process {
            engine,
            pid,
            spec,
            spawned: now,
            loaded_at: now + loads,
            health,
            ailment: None,
            generation_hangs_until: Time::ZERO,
            term,
            kill,
            lingers,
            workers: Vec::new(),
            workers_follow,
            frozen: None,
            probes: Vec::new(),
            answers: Vec::new(),
            logged: 0,
            signals: Vec::new(),
            acknowledged: false,
            is_inits: false,
            ended: None,
            reaped: false,
            pid_kept: Span::NONE,
            pid_is_free: false,
            evidence: EvidenceReport::default(),
        });
    }

    /// An engine whose first process lives makes its workers, as far as there are pids.
    pub(super) fn workers_begin(&mut self, engine: EngineRef, count: u32) {
        for _ in 0..count {
            let process = self.processes.of(engine).filter(|process| process.is_alive());
            if process.is_none_or(|process| process.got(Signal::KillTree)) {
                return;
            }
            let Some(pid) = self.processes.take_pid() else { return };
            if let Some(process) = self.processes.get_mut(engine) {
                process.workers.push(Worker { pid, stuck_until: Time::ZERO, killed: false, ended: None });
            }
        }
    }

    /// A signal to a process that has ended and is not reaped yet does nothing, as on Linux.
    pub(super) fn signal(&mut self, engine: EngineRef, signal: Signal) {
        let Some(process) = self.processes.get_mut(engine).filter(|process| !process.pid_is_free) else {
            return;
        };
        process.signals.push((self.now, signal));
        let (pid, alive) = (process.pid, process.is_alive());
        self.hold(self.processes.holder(pid) == Some(engine), "S11: a signal reaches nobody but its engine");
        match signal {
            Signal::Graceful => self.term(engine),
            Signal::KillTree => {
                if alive {
                    self.kill(engine);
                }
                self.kill_workers(engine);
            }
        }
    }

    /// TERM, and CONT, without which a stopped process would not see it.
    fn term(&mut self, engine: EngineRef) {
        let Some(process) = self.processes.get_mut(engine) else { return };
        match process.frozen.as_ref().map(|frozen| frozen.by) {
            Some(Freeze::Stop) => return self.thaw(engine),
            // It is told when it runs again.
            Some(Freeze::Trace | Freeze::Uninterruptible) => return,
            None => {}
        }
        let took = match process.term {
            TermBehaviour::Exits(took) => took,
            TermBehaviour::Ignores => return,
        };
        let took = self.streams.of_engines(self.seed, engine.pool).span(took);
        let ending = Ending::plain(ExitStatus::Code(0));
        self.agenda.file(self.now + took, Occurrence::ProcessEnds { engine, ending });
    }

    fn kill(&mut self, engine: EngineRef) {
        let Some(kill) = self.processes.of(engine).map(|process| process.kill) else { return };
        let took = self.streams.of_engines(self.seed, engine.pool).span(kill);
        let ending = Ending::plain(ExitStatus::Signal(9));
        self.agenda.file(self.now + took, Occurrence::ProcessEnds { engine, ending });
    }

    pub(super) fn kill_workers(&mut self, engine: EngineRef) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(engine) else { return };
        for (place, worker) in process.workers.iter_mut().enumerate() {
            if worker.ended.is_none() {
                worker.killed = true;
                self.agenda.file(now.max(worker.stuck_until), Occurrence::WorkerEnds { engine, place });
            }
        }
    }

    /// The first process ends, or will when it runs again.
    pub(super) fn process_ends(&mut self, engine: EngineRef, ending: Ending) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(engine).filter(|process| process.is_alive()) else {
            return;
        };
        if let Some(frozen) = &mut process.frozen {
            let killed = ending.status == ExitStatus::Signal(9);
            if frozen.by == Freeze::Uninterruptible || !killed {
                frozen.ending.get_or_insert(ending);
                return;
            }
        }
        process.frozen = None;
        process.ended = Some((now, ending.status));
        for class in ending.log {
            process.log(class);
        }
        process.evidence.oom_kill = Some(ending.oom_kill);
        let follow = process.workers_follow;
        self.memory_lingers(engine);
        if let Some(follow) = follow {
            self.workers_follow(engine, follow);
        }
        if self.is_down() {
            // Nobody waits for it; the next start of the supervisor finds it.
            return self.init_reaps();
        }
        self.tell_of_exit(engine);
    }

    /// Workers that notice the end of the first process end too.
    fn workers_follow(&mut self, engine: EngineRef, follow: Span) {
        let Some(process) = self.processes.of(engine) else { return };
        for place in 0..process.workers.len() {
            let took = self.streams.of_engines(self.seed, engine.pool).span(follow);
            self.agenda.file(self.now + took, Occurrence::WorkerEnds { engine, place });
        }
    }

    fn tell_of_exit(&mut self, engine: EngineRef) {
        let noticed = self.streams.executors.span(self.latencies.exit_notice);
        let seen = Occurrence::ExitSeen { engine };
        let noticed = match self.mishaps.next_exit(engine.pool) {
            None => noticed,
            Some(BadExit::Late(by)) => noticed + by,
            Some(BadExit::Twice(after)) => {
                self.agenda.file(self.now + noticed + after, seen.clone());
                noticed
            }
            Some(BadExit::Zombie(span)) => {
                if let Some(process) = self.processes.get_mut(engine) {
                    process.pid_kept = Span::exactly(span);
                }
                noticed
            }
        };
        let at = (self.now + noticed).max(self.adapters.exits_held_until);
        self.agenda.file(at, seen);
    }

    /// The host is off.
    pub(super) fn every_process_vanishes(&mut self) {
        let now = self.now;
        let there: Vec<EngineRef> = self.processes.not_over().map(|process| process.engine).collect();
        for engine in there {
            let Some(process) = self.processes.get_mut(engine) else { continue };
            process.frozen = None;
            process.workers_follow = None;
            process.workers.iter_mut().for_each(|worker| worker.ended = worker.ended.or(Some(now)));
            self.process_ends(engine, Ending::plain(ExitStatus::Signal(9)));
            if let Some(process) = self.processes.get_mut(engine) {
                process.reaped = true;
            }
            self.free_pid(engine);
        }
    }

    pub(super) fn exit_seen(&mut self, engine: EngineRef) {
        let Some(process) = self.processes.get_mut(engine) else { return };
        let Some((_, status)) = process.ended else { return };
        let status = if process.is_inits { ExitStatus::Unknown } else { status };
        if !std::mem::replace(&mut process.reaped, true) {
            self.sweep(engine);
        }
        self.feed(Input::Exited { engine, status });
    }

    /// What an ended engine left behind is killed; its pid is given back when nothing is left.
    pub(super) fn sweep(&mut self, engine: EngineRef) {
        self.kill_workers(engine);
        self.give_back(engine);
    }

    fn give_back(&mut self, engine: EngineRef) {
        let Some(process) = self.processes.of(engine) else { return };
        if process.ended.is_none() || !process.reaped || process.pid_is_free || process.live_workers() > 0 {
            return;
        }
        let kept = process.pid_kept;
        if kept == Span::NONE {
            return self.free_pid(engine);
        }
        self.agenda.file(self.now + kept.to, Occurrence::PidIsFree { engine });
    }

    pub(super) fn free_pid(&mut self, engine: EngineRef) {
        if let Some(process) = self.processes.get_mut(engine) {
            process.pid_is_free = true;
        }
    }

    pub(super) fn worker_ends(&mut self, engine: EngineRef, place: usize) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(engine) else { return };
        let Some(worker) = process.workers.get_mut(place).filter(|worker| worker.ended.is_none()) else {
            return;
        };
        if now < worker.stuck_until {
            let at = worker.stuck_until;
            return self.agenda.file(at, Occurrence::WorkerEnds { engine, place });
        }
        worker.ended = Some(now);
        if process.ended.is_some() {
            self.memory_lingers(engine);
            self.give_back(engine);
        }
    }

    /// GPU memory comes free some time after the process that held it.
    fn memory_lingers(&mut self, engine: EngineRef) {
        let Some((lingers, spec)) = self.processes.of(engine).map(|process| (process.lingers, process.spec))
        else {
            return;
        };
        let lingers = self.streams.of_engines(self.seed, engine.pool).span(lingers);
        let mask = self.specs.get(&spec).map(|spec| spec.device_mask.as_slice()).unwrap_or_default();
        self.resources.linger(engine.pool, mask, self.now, self.now + lingers);
    }

    /// A supervisor is dead: init inherits its children, and reaps those that have ended at once.
    pub(super) fn init_reaps(&mut self) {
        let ended: Vec<EngineRef> = self
            .processes
            .not_over()
            .filter(|process| process.ended.is_some())
            .map(|process| process.engine)
            .collect();
        ended.into_iter().for_each(|engine| self.free_pid(engine));
    }

    /// A new start of the supervisor kills what ended engines have left behind.
    pub(super) fn sweep_leftovers(&mut self) {
        let ended: Vec<EngineRef> = self
            .processes
            .not_over()
            .filter(|process| process.ended.is_some() && process.reaped)
            .map(|process| process.engine)
            .collect();
        ended.into_iter().for_each(|engine| self.sweep(engine));
    }

    /// A process that was kept from running runs again, if its time has come.
    pub(super) fn thaw_if_due(&mut self, engine: EngineRef) {
        let frozen = self.processes.of(engine).and_then(|process| process.frozen.as_ref());
        if frozen.is_some_and(|frozen| frozen.until <= self.now) {
            self.thaw(engine);
        }
    }

    pub(super) fn thaw(&mut self, engine: EngineRef) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(engine) else { return };
        let Some(frozen) = process.frozen.take() else { return };
        if process.loaded_at > frozen.since {
            process.loaded_at = process.loaded_at + now.since(frozen.since);
        }
        let termed = process.got(Signal::Graceful);
        if let Some(ending) = frozen.ending {
            self.process_ends(engine, ending);
        } else if termed {
            self.term(engine);
        }
    }

    /// A live engine logs some lines, and will again.
    pub(super) fn logs(
        &mut self,
        engine: EngineRef,
        mut classes: Vec<pool_manager_core::LogClass>,
        left: u32,
        every: Duration,
    ) {
        let Some(process) = self.processes.get_mut(engine).filter(|process| process.is_alive()) else {
            return;
        };
        let Some(class) = classes.first().copied().filter(|_| left > 0) else { return };
        let line = process.log(class);
        classes.rotate_left(1);
        let again = Occurrence::Logs { engine, classes, left: left - 1, every };
        self.agenda.file(self.now + every, again);
        let read = self.streams.executors.span(self.latencies.log);
        self.agenda.file(self.now + read, Occurrence::LineRead { engine, line });
    }
}
