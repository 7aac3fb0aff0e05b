//! What the core's effects lead to in the simulated host, and when.

use pool_manager_core::{
    Answer, CommandId, Completion, Effect, EffectId, EngineRef, EvidenceReport, FileKind, LogEvidence,
    ModelStamp, Preflight, Signal, SpecHash,
};

use super::{Occurrence, World};
use crate::disk::{Content, StoredFile};
use crate::engine::{Ending, EngineHealth, EngineProfile, TermBehaviour};
use crate::process_table::Process;
use crate::random::Span;

/// A process in uninterruptible sleep takes this long to die of KILL.
const STUCK_FOR: Span = Span::millis(30_000, 90_000);

impl World {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::CancelStage { id } => self.agenda.retain(|occurrence| !occurrence.completes(id)),
            Effect::CheckRelease { id, .. } => {
                self.later(self.latencies.release, Occurrence::ReleaseLands { id });
            }
            Effect::CollectEvidence { id, engine, within } => {
                let took = self.streams.executors.span(self.latencies.evidence).min(within);
                let lag = self.streams.executors.span(self.latencies.lag);
                self.agenda.file(self.now + took + lag, Occurrence::EvidenceLands { id, engine });
            }
            Effect::Exit => self.exited = true,
            Effect::Preflight { id, spec, .. } => {
                let preflight = Preflight { stamp: Some(ModelStamp(spec.0)), fetch: false };
                let result = Completion::Preflighted(Ok(preflight));
                self.later(self.latencies.stage, Occurrence::Completes { id, result });
            }
            Effect::Probe { id, engine, timeout, .. } => self.probe(id, engine, timeout),
            Effect::RemoveFile { id, engine, file } => {
                self.later(self.latencies.file, Occurrence::RemovalLands { id, engine, file });
            }
            Effect::Reply { command, answer } => self.deliver(command, *answer),
            Effect::Signal { engine, signal } => self.signal(engine, signal),
            Effect::Spawn { id, engine, spec } => self.spawn(id, engine, spec),
            Effect::Stage { id, spec, .. } => {
                let result = Completion::Staged(Ok(ModelStamp(spec.0)));
                self.later(self.latencies.stage, Occurrence::Completes { id, result });
            }
            Effect::WriteFile { id, engine, file } => {
                let stored = StoredFile { by: engine, content: self.content(engine, file) };
                self.later(self.latencies.file, Occurrence::WriteLands { id, file, stored });
            }
        }
    }

    /// Files what happens after a drawn span.
    fn later(&mut self, span: Span, occurrence: Occurrence) {
        let took = self.streams.executors.span(span);
        let lag = self.streams.executors.span(self.latencies.lag);
        self.agenda.file(self.now + took + lag, occurrence);
    }

    fn spawn(&mut self, id: EffectId, engine: EngineRef, spec: SpecHash) {
        let profile = self.profiles.get(&spec).cloned().unwrap_or_default();
        let (seed, now) = (self.seed, self.now);
        let stream = self.streams.of_engines(seed, engine.pool);
        let acknowledged_at = now + stream.span(profile.spawn_ack);
        if stream.one_in(profile.spawn_fails_one_in) {
            let result = Completion::Spawned(Err(profile.spawn_error));
            return self.agenda.file(acknowledged_at, Occurrence::Completes { id, result });
        }
        let loaded_at = now + stream.span(profile.load);
        let kill = if stream.one_in(profile.sticks_one_in) { STUCK_FOR } else { profile.kill };
        let EngineProfile { health, term, hazard, .. } = profile;
        if let Some(hazard) = hazard
            && stream.one_in(hazard.one_in)
            && let Some(ending) = stream.pick(&hazard.endings).cloned()
        {
            let at = now + stream.span(hazard.after);
            self.agenda.file(at, Occurrence::ProcessEnds { engine, ending });
        }
        let pid = self.processes.next_pid();
        self.processes.add(Process {
            engine,
            pid,
            loaded_at,
            health,
            term,
            kill,
            signals: Vec::new(),
            acknowledged: false,
            ended: None,
            reaped: false,
            evidence: EvidenceReport::default(),
        });
        self.agenda.file(acknowledged_at, Occurrence::SpawnLands { id, engine, pid });
    }

    /// A signal to a process that has ended and is not reaped yet does nothing, as on Linux.
    fn signal(&mut self, engine: EngineRef, signal: Signal) {
        let Some(process) = self.processes.get_mut(engine) else { return };
        process.signals.push((self.now, signal));
        let (took, status) = match (signal, process.term) {
            (Signal::KillTree, _) => (process.kill, pool_manager_core::ExitStatus::Signal(9)),
            (Signal::Graceful, TermBehaviour::Exits(took)) => (took, pool_manager_core::ExitStatus::Code(0)),
            (Signal::Graceful, TermBehaviour::Ignores) => return,
        };
        let took = self.streams.of_engines(self.seed, engine.pool).span(took);
        let ending = Ending::plain(status);
        self.agenda.file(self.now + took, Occurrence::ProcessEnds { engine, ending });
    }

    /// A hanging engine is found out when the probe gives up; any other answers after a while.
    fn probe(&mut self, id: EffectId, engine: EngineRef, timeout: core::time::Duration) {
        let hangs = self.processes.of(engine).is_some_and(|process| {
            process.is_alive() && process.health == EngineHealth::Hangs && process.loaded_at <= self.now
        });
        let took = self.streams.executors.span(self.latencies.probe).min(timeout);
        let took = if hangs { timeout } else { took } + self.streams.executors.span(self.latencies.lag);
        self.agenda.file(self.now + took, Occurrence::ProbeLands { id, engine, asked: self.now, timeout });
    }

    fn content(&self, engine: EngineRef, file: FileKind) -> Content {
        let pool = self.host.view().pool(engine.pool);
        match (file, pool) {
            (FileKind::Handoff, Some(pool)) => Content::Handoff {
                pool_id: pool.name.as_str().to_owned(),
                catalog: pool.spec.catalog.clone(),
                device_mask: pool.spec.device_mask.clone(),
                slots_total: pool.policy.lease.slots,
            },
            (FileKind::Pid, _) | (FileKind::Handoff, None) => {
                Content::Pid(self.processes.of(engine).map_or(0, |process| process.pid))
            }
        }
    }

    /// An answer reaches whoever asked; a client that got its lease begins to work.
    fn deliver(&mut self, command: CommandId, answer: Answer) {
        if let Some((pool, lease)) = self.clients.answered(command, &answer)
            && !self.awaited.contains(&command)
        {
            self.work(pool, lease);
        }
        if self.awaited.contains(&command) {
            self.answers.insert(command, answer);
        }
    }

    fn work(&mut self, pool: pool_manager_core::PoolUid, lease: pool_manager_core::LeaseId) {
        let Some(traffic) = self.traffic.get(&pool).copied() else { return };
        let stream = self.streams.of_clients(self.seed, pool);
        let work = stream.span(traffic.work);
        if stream.one_in(traffic.renews_one_in) {
            self.agenda.file(self.now + work / 2, Occurrence::ClientRenews(lease));
        }
        if !stream.one_in(traffic.forgets_one_in) {
            self.agenda.file(self.now + work, Occurrence::ClientEnds(lease));
        }
    }
}

/// The report of an ending: its lines at successive offsets.
pub(super) fn evidence_of(ending: &Ending) -> EvidenceReport {
    let line = |(place, class): (usize, &_)| LogEvidence { class: *class, offset: place as u64 * 100 };
    EvidenceReport { log: ending.log.iter().enumerate().map(line).collect(), oom_kill: Some(ending.oom_kill) }
}
