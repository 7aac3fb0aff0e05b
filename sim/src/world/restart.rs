//! The next start of the supervisor, and what it finds. Engines, clients and files outlive it; executors do not,
//! and so neither do the effects they had been given. A power cut is outlived by the disk alone.

use std::time::Duration;

use pool_manager::telemetry::Metrics;
use pool_manager_core::{Adopted, EngineRef, FileKind, HostConfig, Input, PoolUid, Resume, Signal};
use serde::{Deserialize, Serialize};

use super::crash::Crash;
use super::journal::{Found, History, Journal};
use super::{CrashPoint, Occurrence, World};
use crate::marks::Moment;
use crate::oracle::Oracle as _;
use crate::oracle::adoption::Kept;

/// What a start of the supervisor is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Start {
    /// Which program it is.
    pub version: Version,
    /// What became of work that was under way.
    pub in_flight: InFlight,
    /// What is done with a process that the journal does not show as made.
    pub unacknowledged: Unacknowledged,
    /// What is known of engines that ended meanwhile.
    pub ends: Ends,
}

/// Which program is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// One with another logic: it can read nothing but the Facts.
    Other,
    /// The same as before.
    #[default]
    Same,
}

/// What became of file actions and staging that were under way when the supervisor died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InFlight {
    /// They were done, and nobody heard.
    Done,
    /// They were not.
    #[default]
    Lost,
}

/// What is done with a process that exists, although the journal does not show that it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unacknowledged {
    /// It is the engine that was asked for.
    #[default]
    Adopted,
    /// It is killed, and asked for again.
    Killed,
}

/// What is known of the end of an engine whose supervisor died: of one that ended meanwhile, and of one that is
/// adopted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ends {
    /// How it ended.
    #[default]
    Known,
    /// Nothing: init took its status, or a stranger has its pid by now.
    Unknown,
}

impl World {
    /// From now on every input is written to a journal, so that the supervisor can be started again.
    pub fn keep_journal(&mut self) {
        self.journal = Some(Journal::begin(&self.host, self.epoch, self.now));
    }

    /// The supervisor is started again with what its journal gives back, in this instant.
    ///
    /// # Panics
    /// When no journal was kept, or when it does not give back the state that was lost.
    pub fn start_supervisor(&mut self) {
        self.start(Start::default());
        self.run_instant();
    }

    /// Another version of the supervisor is started, which can read nothing but the Facts, in this instant.
    ///
    /// # Panics
    /// When the Facts cannot be read back.
    pub fn start_other_version(&mut self) {
        self.start(Start { version: Version::Other, ..Start::default() });
        self.run_instant();
    }

    /// Whether the supervisor is dead.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.down
    }

    /// SIGTERM to the supervisor, in this instant; once it has ended, the service manager starts it again.
    pub fn terminate(&mut self, back_after: Duration) {
        if !self.is_down() {
            self.back_after = Some(back_after);
            self.shut_down();
        }
    }

    /// The host loses power: every process is gone, and of the journal what was not synced, as far as the
    /// thousandths say. It boots, and starts the supervisor.
    pub fn lose_power(&mut self, tail_lost_thousandths: u32, crash: Crash) {
        if self.exited {
            return;
        }
        let was_down = self.is_down();
        self.stop_executors(crash.next.in_flight);
        if let Some(journal) = &mut self.journal {
            journal.lose_tail(tail_lost_thousandths);
        }
        self.every_process_vanishes();
        // They are in the runtime directory, which is in memory.
        for pool in self.places.clone() {
            self.remove_files(pool);
        }
        if !was_down {
            self.agenda.file(self.now + crash.down_for, Occurrence::SupervisorStarts(Box::new(crash)));
        }
    }

    /// The supervisor has ended; it is started again where somebody sees to that.
    pub(super) fn exit(&mut self) {
        let Some(down_for) = self.back_after.take() else {
            self.exited = true;
            return;
        };
        self.stop_executors(InFlight::Done);
        let crash = Crash { point: CrashPoint::AtRest, down_for, next: Start::default(), again: 0 };
        self.agenda.file(self.now + down_for, Occurrence::SupervisorStarts(Box::new(crash)));
    }

    /// The service manager starts the supervisor. It cannot start while the disk does not take its new epoch.
    pub(super) fn supervisor_starts(&mut self, crash: Box<Crash>) {
        if !self.is_down() {
            return;
        }
        if let Some(works_at) = self.journal.as_ref().and_then(|journal| journal.fails_until(self.now)) {
            return self.agenda.file(works_at, Occurrence::SupervisorStarts(crash));
        }
        let next = crash.next;
        self.armed = crash.again.checked_sub(1).map(|again| Crash { again, ..*crash });
        self.start(next);
    }

    /// Starts it now, where it is dead.
    pub(super) fn start_at_once(&mut self) {
        let starts = |occurrence: &Occurrence| matches!(occurrence, Occurrence::SupervisorStarts(_));
        let filed = self.agenda.take_all(starts);
        if self.is_down() && !filed.is_empty() {
            self.start(Start::default());
        }
    }

    fn start(&mut self, start: Start) {
        let config = HostConfig { epoch: self.epoch + 1, ..self.config.clone() };
        let now = self.now;
        let found = match &mut self.journal {
            None => Err("J05: no journal was kept".to_owned()),
            Some(journal) => match start.version {
                Version::Same => journal.read_back(config, now),
                Version::Other => journal.read_facts(config, now),
            },
        };
        match found {
            Ok(found) => self.resume(found, start),
            Err(reason) => self.fail(&reason),
        }
    }

    fn resume(&mut self, found: Found, start: Start) {
        let Found { host, history, said } = found;
        if history == History::Whole {
            self.hold(host == self.host, "J06: the journal gives back the state that was lost");
        }
        if start.version == Version::Other {
            self.marks.moment(Moment::OtherVersion);
        }
        if history == History::Older {
            self.marks.moment(Moment::TailLost);
        }
        self.journal_said = said.or_else(|| self.journal_said.take());
        let lost = std::mem::replace(&mut self.host, host);
        self.epoch += 1;
        self.down = false;
        self.back_after = None;
        if history != History::Whole {
            self.take_what_is_known();
        }
        self.remove_strange_files();
        if let Some(journal) = &mut self.journal {
            journal.go_on(&self.host, self.epoch);
        }
        // Metrics count from the supervisor's own start; the log goes on in the same files.
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.metrics = Metrics::default();
        }
        let census = self.census(start);
        self.sweep_leftovers();
        let kept = Kept::of(lost.view(), &self.processes, &census, history == History::Whole);
        self.feed(Input::Resume(Box::new(census)));
        if history != History::Older
            && !self.is_down()
            && let Err(violation) = kept.check(self.view(), &self.processes)
        {
            self.fail(&violation.to_string());
        }
    }

    /// The supervisor does not know all that was: what others know of it is brought in line.
    fn take_what_is_known(&mut self) {
        let view = self.host.view();
        self.clients.forget_pools(|pool| view.pool(pool).is_none());
        for pool in view.pools() {
            self.names.insert(pool.uid, pool.name.clone());
            if !self.places.contains(&pool.uid) {
                self.places.push(pool.uid);
            }
            let active = view.leases(pool.uid).map(|lease| lease.id);
            self.clients.know_only(pool.uid, pool.lease_totals, active.collect());
        }
        self.oracles.history_lost();
    }

    /// The driver's own housekeeping before anything else: files that say what is not so, by the state that was found.
    /// A handoff file of a pool that is not ready would send routers astray, a PID file of no engine people.
    fn remove_strange_files(&mut self) {
        for place in self.places.clone() {
            let pool = self.host.view().pool(place);
            let engine = pool.as_ref().and_then(|pool| pool.engine);
            let is_ready = pool.is_some_and(|pool| pool.health.ready);
            for kind in [FileKind::Pid, FileKind::Handoff] {
                let Some(file) = self.disk.file(place, kind) else { continue };
                let is_right = engine.is_some_and(|engine| {
                    let is_known = if kind == FileKind::Pid { engine.pid.is_some() } else { is_ready };
                    engine.incarnation == file.by.incarnation && is_known
                });
                // It goes on when that has worked, however sick the disk is.
                if !is_right {
                    self.disk.remove(place, kind);
                }
            }
        }
    }

    fn remove_files(&mut self, pool: PoolUid) {
        self.disk.remove(pool, FileKind::Pid);
        self.disk.remove(pool, FileKind::Handoff);
    }

    /// What the new start finds of the engines that were not reaped.
    fn census(&mut self, start: Start) -> Resume {
        let mut resume = Resume { epoch: self.epoch, ..Resume::default() };
        let unreaped = self.processes.iter().filter(|process| !process.reaped);
        let engines: Vec<EngineRef> = unreaped.map(|process| process.engine).collect();
        for engine in engines {
            let acknowledged = self.shows_as_made(engine);
            let Some(process) = self.processes.get_mut(engine) else { continue };
            match process.ended {
                Some((_, status)) => {
                    process.reaped = true;
                    if start.ends == Ends::Known {
                        resume.ended.push((engine, status));
                    }
                }
                None if !acknowledged && start.unacknowledged == Unacknowledged::Killed => {
                    self.signal(engine, Signal::KillTree);
                }
                None => {
                    process.acknowledged = true;
                    process.is_inits |= start.ends == Ends::Unknown;
                    resume.alive.push(Adopted { engine, pid: process.pid });
                }
            }
        }
        resume
    }

    /// Whether the state that was found shows a process as made; of one it does not know at all, the core decides.
    fn shows_as_made(&self, engine: EngineRef) -> bool {
        let known = self.host.view().pool(engine.pool).and_then(|pool| pool.engine);
        known.is_none_or(|known| known.incarnation != engine.incarnation || known.pid.is_some())
    }
}
