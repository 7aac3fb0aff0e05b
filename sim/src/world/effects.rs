//! What the core's effects lead to in the simulated host, and when.

use std::time::Duration;

use pool_manager_core::{
    Answer, CommandId, Completion, Effect, EffectId, EngineRef, FileError, FileKind, LeaseId, PoolUid,
    Preflight, ProbeAnswer, ProbeKind, SpecHash, StageError,
};

use super::{Occurrence, World};
use crate::clients::Stay;
use crate::disk::{Content, FileTrouble, StoredFile};
use crate::random::Span;

impl World {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::CancelStage { id } => {
                self.staging.interrupt(id, self.now);
                self.agenda.retain(|occurrence| !occurrence.is_of_staging(id));
            }
            Effect::CheckRelease { id, spec } => {
                self.later(self.latencies.release, Occurrence::ReleaseLands { id, spec });
            }
            Effect::CollectEvidence { id, engine, within } => {
                let took = self.streams.executors.span(self.latencies.evidence).min(within);
                let lag = self.streams.executors.span(self.latencies.lag);
                self.agenda.file(self.now + took + lag, Occurrence::EvidenceLands { id, engine });
            }
            Effect::Exit => self.exit(),
            Effect::Preflight { id, spec, .. } => {
                let result = Completion::Preflighted(self.preflight(id.pool, spec));
                self.later(self.latencies.stage, Occurrence::Completes { id, result });
            }
            Effect::Probe { id, engine, kind, timeout } => self.probe(id, engine, kind, timeout),
            Effect::RemoveFile { id, engine, file } => {
                self.tend_file(id, engine, file, Occurrence::RemovalLands { id, engine, file });
            }
            Effect::Reply { command, answer } => self.reply(command, answer),
            Effect::Signal { engine, signal } => self.signal(engine, signal),
            Effect::Spawn { id, engine, spec } => self.spawn(id, engine, spec),
            Effect::Stage { id, pool, spec } => self.stage(id, pool, spec),
            Effect::WriteFile { id, engine, file } => {
                let stored = StoredFile { by: engine, content: self.content(engine, file) };
                self.tend_file(id, engine, file, Occurrence::WriteLands { id, file, stored });
            }
        }
    }

    fn preflight(&self, pool: PoolUid, spec: SpecHash) -> Result<Preflight, StageError> {
        match self.staging.profile(pool, spec, self.now).preflight_fails {
            Some(error) => Err(error),
            None => {
                let stamp = Some(self.staging.stamp(spec));
                Ok(Preflight { stamp, fetch: self.staging.must_fetch(spec) })
            }
        }
    }

    /// Files the end of a staging and all news of its progress; what an earlier one fetched is not fetched
    /// again.
    fn stage(&mut self, id: EffectId, pool: PoolUid, spec: SpecHash) {
        let profile = self.staging.profile(pool, spec, self.now);
        let span = profile.takes.unwrap_or(self.latencies.stage);
        let drawn = self.streams.executors.span(span);
        let takes = drawn.saturating_sub(self.staging.done_before(spec));
        let lag = self.streams.executors.span(self.latencies.lag);
        self.staging.begin(id, pool, spec, self.now);
        let moves_until = profile.stalls_after.map_or(takes, |stalls| stalls.min(takes));
        let mut next = profile.progress_every;
        while !next.is_zero() && next < moves_until {
            self.agenda.file(self.now + next, Occurrence::StageMoves { id });
            next += profile.progress_every;
        }
        if profile.stalls_after.is_none() {
            self.agenda.file(self.now + takes + lag, Occurrence::StageLands { id });
        }
    }

    /// A file action, one at a time for each file, as its disk does it.
    fn tend_file(&mut self, id: EffectId, engine: EngineRef, file: FileKind, lands: Occurrence) {
        let took = self.streams.executors.span(self.latencies.file);
        let lag = self.streams.executors.span(self.latencies.lag);
        let (at, occurrence) = match self.disk.trouble(engine.pool, file, self.now) {
            None => (self.now + took + lag, lands),
            Some(FileTrouble::Late { by }) => (self.now + by, lands),
            Some(FileTrouble::Fails { errno }) => {
                let result = Completion::FileDone(Err(FileError::Io(errno)));
                (self.now + took + lag, Occurrence::Completes { id, result })
            }
            Some(FileTrouble::Hangs) => return,
        };
        let at = self.disk.queue(engine.pool, file, self.now, at);
        self.agenda.file(at, occurrence);
    }

    /// An answer that promises what must outlive a crash of the host waits until it is written down.
    fn reply(&mut self, command: CommandId, answer: Box<Answer>) {
        let waits = self.durable.remove(&command);
        // Whoever registers pools waits for the answer before anything else happens here.
        let waits_long = waits && !matches!(*answer, Answer::Registered { .. });
        let takes = match self.journal.as_mut().filter(|_| waits) {
            Some(journal) if waits_long => journal.sync_for_reply(self.now),
            Some(journal) => {
                journal.synced(self.now);
                Duration::ZERO
            }
            None => Duration::ZERO,
        };
        if takes.is_zero() {
            self.deliver(command, *answer);
        } else {
            self.agenda.file(self.now + takes, Occurrence::Answers { command, answer });
        }
    }

    /// Files what happens after a drawn span.
    fn later(&mut self, span: Span, occurrence: Occurrence) {
        let took = self.streams.executors.span(span);
        let lag = self.streams.executors.span(self.latencies.lag);
        self.agenda.file(self.now + took + lag, occurrence);
    }

    /// An engine that hangs is found out when the probe gives up, a slow one takes its time; any other answers
    /// after a while.
    fn probe(&mut self, id: EffectId, engine: EngineRef, kind: ProbeKind, timeout: Duration) {
        if let Some(process) = self.processes.get_mut(engine) {
            process.probes.push((self.now, kind));
        }
        let executors = &mut self.streams.executors;
        let took = executors.span(self.latencies.probe).min(timeout);
        let slowness =
            self.processes.of(engine).map_or(Duration::ZERO, |process| process.answers_after(self.now));
        let took = took.max(slowness.min(timeout));
        let lag = executors.span(self.latencies.lag);
        let mut fate = self.network.sent(engine.pool, self.now, |one_in| executors.one_in(one_in));
        if !fate.delay.is_zero() && took + fate.delay > timeout {
            fate.answer = Some(ProbeAnswer::TimedOut);
        }
        let silent = fate.answer == Some(ProbeAnswer::TimedOut);
        let took = if silent { timeout } else { took + fate.delay } + lag + fate.holds;
        let lands = Occurrence::ProbeLands { id, engine, asked: self.now, timeout, answer: fate.answer };
        self.agenda.file(self.now + took, lands);
    }

    /// What the engine was started with goes into its files, not what the pool is to run next.
    fn content(&self, engine: EngineRef, file: FileKind) -> Content {
        let process = self.processes.of(engine);
        let spec = process.and_then(|process| self.specs.get(&process.spec));
        match (file, self.host.view().pool(engine.pool), spec) {
            (FileKind::Handoff, Some(pool), Some(spec)) => Content::Handoff {
                pool_id: pool.name.as_str().to_owned(),
                catalog: spec.catalog.clone(),
                device_mask: spec.device_mask.clone(),
                slots_total: pool.policy.lease.slots,
            },
            (FileKind::Pid, ..) | (FileKind::Handoff, ..) => {
                Content::Pid(process.map_or(0, |process| process.pid))
            }
        }
    }

    /// An answer reaches whoever asked; a client that got its lease begins to work.
    pub(super) fn deliver(&mut self, command: CommandId, answer: Answer) {
        if let Answer::Granted { lease, .. } = answer {
            let is_new = self.clients.knows_new(lease);
            self.hold(is_new, "S25: the number of a lease is given out once");
        }
        if let Some((lease, stays)) = self.clients.answered(command, &answer)
            && !self.awaited.contains(&command)
        {
            match stays {
                Stay::AsTraffic => self.work(lease.engine.pool, lease),
                Stay::For(span) => self.agenda.file(self.now + span, Occurrence::ClientEnds(lease)),
                Stay::Forgets => {}
            }
        }
        if self.awaited.contains(&command) {
            self.answers.insert(command, answer);
        }
    }

    fn work(&mut self, pool: PoolUid, lease: LeaseId) {
        let Some(traffic) = self.traffic.get(&pool).copied() else { return };
        let stream = self.streams.of_clients(self.seed, pool);
        let work = stream.span(traffic.work);
        if stream.one_in(traffic.renews_one_in) {
            self.agenda.file(self.now + work / 2, Occurrence::ClientRenews(lease));
        }
        let forgets = stream.one_in(traffic.forgets_one_in);
        let process = self.processes.of(lease.engine);
        let hangs = process.is_some_and(|process| self.now < process.generation_hangs_until);
        if !forgets && !hangs {
            self.agenda.file(self.now + work, Occurrence::ClientEnds(lease));
        }
    }
}
