//! What happens in the simulated host, and what of it the core hears.

use core::time::Duration;

use pool_manager_core::{
    Completion, EffectId, EngineRef, FileKind, Input, LeaseId, PoolUid, Priority, ProbeAnswer, ReleaseAnswer,
    Spawned, SpecHash, Time, Verb,
};

use super::effects::evidence_line;
use super::{World, correlation_of};
use crate::clients::Request;
use crate::disk::StoredFile;
use crate::engine::{Ending, EngineHealth};
use crate::fault::Place;

/// One entry of the agenda.
#[derive(Clone, Debug)]
pub(super) enum Occurrence {
    /// An input reaches the core as it is.
    Arrives(Input),
    /// A client asks for a lease, and will ask again.
    ClientAsks(PoolUid),
    /// A client's work is done.
    ClientEnds(LeaseId),
    /// A client wants to keep its lease.
    ClientRenews(LeaseId),
    /// An effect comes to an end that was certain when it was given.
    Completes { id: EffectId, result: Completion },
    /// What was found out about an end is known.
    EvidenceLands { id: EffectId, engine: EngineRef },
    /// The operator does something, and will again.
    OperatorActs,
    /// The operator gives a command about whatever is registered at a place.
    OperatorSends { place: Place, verb: Verb },
    /// A probe reaches its engine.
    ProbeLands {
        id: EffectId,
        engine: EngineRef,
        asked: Time,
        timeout: Duration,
        /// What the way there makes of it, whatever the engine would say.
        answer: Option<ProbeAnswer>,
    },
    /// A process ends, unless it has.
    ProcessEnds { engine: EngineRef, ending: Ending },
    /// The core hears of an end.
    ExitSeen { engine: EngineRef },
    /// A release check looks.
    ReleaseLands { id: EffectId, spec: SpecHash },
    /// A file is gone.
    RemovalLands { id: EffectId, engine: EngineRef, file: FileKind },
    /// A spawn is acknowledged.
    SpawnLands { id: EffectId, engine: EngineRef, pid: u32 },
    /// A staging comes to its end.
    StageLands { id: EffectId },
    /// A staging moves.
    StageMoves { id: EffectId },
    /// A file is there.
    WriteLands { id: EffectId, file: FileKind, stored: StoredFile },
}

impl Occurrence {
    /// Whether it is news of this staging.
    pub(super) fn is_of_staging(&self, effect: EffectId) -> bool {
        matches!(self, Self::StageLands { id } | Self::StageMoves { id } if *id == effect)
    }

    /// Whether it happens all the same when the supervisor dies: executors go with it, engines, clients and
    /// operators do not.
    pub(super) const fn outlives_supervisor(&self) -> bool {
        match self {
            Self::ClientAsks(_)
            | Self::ClientEnds(_)
            | Self::ClientRenews(_)
            | Self::OperatorActs
            | Self::OperatorSends { .. }
            | Self::ProcessEnds { .. } => true,
            Self::Arrives(_)
            | Self::Completes { .. }
            | Self::EvidenceLands { .. }
            | Self::ProbeLands { .. }
            | Self::ExitSeen { .. }
            | Self::ReleaseLands { .. }
            | Self::RemovalLands { .. }
            | Self::SpawnLands { .. }
            | Self::StageLands { .. }
            | Self::StageMoves { .. }
            | Self::WriteLands { .. } => false,
        }
    }

    /// Whether the driver takes it after due timers: commands and lease asks.
    pub(super) const fn is_after_timers(&self) -> bool {
        match self {
            Self::Arrives(input) => match input {
                Input::Command { .. }
                | Input::LeaseAsk { .. }
                | Input::LeaseWithdraw { .. }
                | Input::Register { .. }
                | Input::Shutdown { .. } => true,
                Input::Completed { .. }
                | Input::Exited { .. }
                | Input::GpuFault { .. }
                | Input::LeaseEnd { .. }
                | Input::LeaseRenew { .. }
                | Input::Gap { .. }
                | Input::LogLine { .. }
                | Input::Resume(_)
                | Input::StageProgress { .. }
                | Input::Stalled
                | Input::Timer => false,
            },
            Self::ClientAsks(_) | Self::OperatorActs | Self::OperatorSends { .. } => true,
            Self::ClientEnds(_)
            | Self::ClientRenews(_)
            | Self::Completes { .. }
            | Self::EvidenceLands { .. }
            | Self::ProbeLands { .. }
            | Self::ProcessEnds { .. }
            | Self::ExitSeen { .. }
            | Self::ReleaseLands { .. }
            | Self::RemovalLands { .. }
            | Self::SpawnLands { .. }
            | Self::StageLands { .. }
            | Self::StageMoves { .. }
            | Self::WriteLands { .. } => false,
        }
    }
}

impl World {
    pub(super) fn occur(&mut self, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Arrives(input) => self.feed(input),
            Occurrence::ClientAsks(pool) => self.client_asks(pool),
            Occurrence::ClientEnds(lease) => {
                let input = self.lease_end(lease);
                self.feed(input);
            }
            Occurrence::ClientRenews(lease) => {
                let command = self.next_command();
                self.clients.sent(command, Request::Renew);
                self.feed(Input::LeaseRenew { command, lease, ttl: None });
            }
            Occurrence::Completes { id, result } => self.complete(id, result),
            Occurrence::EvidenceLands { id, engine } => {
                let report = self.processes.of(engine).map(|process| process.evidence.clone());
                self.complete(id, Completion::Evidence(Box::new(report.unwrap_or_default())));
            }
            Occurrence::OperatorActs => self.operator_acts(),
            Occurrence::OperatorSends { place, verb } => {
                if let Some(pool) = self.at(place) {
                    self.operate(pool, verb);
                }
            }
            Occurrence::ProbeLands { id, engine, asked, timeout, answer } => {
                self.probe_lands(id, engine, (asked, timeout), answer);
            }
            Occurrence::ProcessEnds { engine, ending } => self.process_ends(engine, &ending),
            Occurrence::ExitSeen { engine } => self.exit_seen(engine),
            Occurrence::ReleaseLands { id, spec } if self.resources.gpus().answers_at() > self.now => {
                self.agenda.file(self.resources.gpus().answers_at(), Occurrence::ReleaseLands { id, spec });
            }
            Occurrence::ReleaseLands { id, spec } => {
                let in_use = self.processes.alive(id.pool).next().is_some();
                let answer = self.specs.get(&spec).map_or(ReleaseAnswer::Free, |spec| {
                    self.resources.check(id.pool, spec, in_use, self.now)
                });
                self.complete(id, Completion::Released(answer));
            }
            Occurrence::RemovalLands { id, engine, file } => {
                self.disk.remove(engine.pool, file);
                self.complete(id, Completion::FileDone(Ok(())));
            }
            Occurrence::SpawnLands { id, engine, pid } => {
                if let Some(process) = self.processes.get_mut(engine) {
                    process.acknowledged = true;
                }
                self.complete(id, Completion::Spawned(Ok(Spawned { pid })));
            }
            Occurrence::StageLands { id } => {
                if let Some(result) = self.staging.end(id, self.now) {
                    self.complete(id, Completion::Staged(result));
                }
            }
            Occurrence::StageMoves { id } => self.feed(Input::StageProgress { effect: id }),
            Occurrence::WriteLands { id, file, stored } => {
                self.disk.write(file, stored);
                self.complete(id, Completion::FileDone(Ok(())));
            }
        }
    }

    fn complete(&mut self, effect: EffectId, result: Completion) {
        self.feed(Input::Completed { effect, result });
    }

    fn process_ends(&mut self, engine: EngineRef, ending: &Ending) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(engine).filter(|process| process.is_alive()) else {
            return;
        };
        process.ended = Some((now, ending.status));
        for class in &ending.log {
            let line = evidence_line(process, *class);
            process.evidence.log.push(line);
        }
        process.evidence.oom_kill = Some(ending.oom_kill);
        let (lingers, pool) = (process.lingers, engine.pool);
        let spec = process.spec;
        let lingers = self.streams.of_engines(self.seed, pool).span(lingers);
        let mask = self.specs.get(&spec).map(|spec| spec.device_mask.as_slice()).unwrap_or_default();
        self.resources.linger(pool, mask, now, now + lingers);
        if self.is_down() {
            // Nobody waits for it; the next start of the supervisor finds it.
            return;
        }
        let noticed = self.streams.executors.span(self.latencies.exit_notice);
        self.agenda.file(now + noticed, Occurrence::ExitSeen { engine });
    }

    fn exit_seen(&mut self, engine: EngineRef) {
        let Some(process) = self.processes.get_mut(engine) else { return };
        let Some((_, status)) = process.ended else { return };
        process.reaped = true;
        self.feed(Input::Exited { engine, status });
    }

    /// A process that is gone is found out by whoever connects; what the way there says comes before what the
    /// engine does.
    fn probe_lands(
        &mut self,
        id: EffectId,
        engine: EngineRef,
        (asked, timeout): (Time, Duration),
        answer: Option<ProbeAnswer>,
    ) {
        let now = self.now;
        let of_way = answer.or_else(|| self.network.under_way(engine.pool, now));
        let process = self.processes.of(engine).filter(|process| process.is_alive());
        if of_way == Some(ProbeAnswer::TimedOut) && now < asked + timeout {
            let again = Occurrence::ProbeLands { id, engine, asked, timeout, answer: of_way };
            return self.agenda.file(asked + timeout, again);
        }
        let answer = match process {
            _ if of_way.is_some() => of_way.unwrap_or(ProbeAnswer::TimedOut),
            None => ProbeAnswer::Refused,
            Some(process) if process.loaded_at > now => ProbeAnswer::Loading,
            Some(process) => match process.health {
                EngineHealth::Healthy => ProbeAnswer::Healthy,
                EngineHealth::Status(status) => ProbeAnswer::Unhealthy { status },
                EngineHealth::Hangs if now >= asked + timeout => ProbeAnswer::TimedOut,
                // It began to hang while the probe was under way.
                EngineHealth::Hangs => {
                    let again = Occurrence::ProbeLands { id, engine, asked, timeout, answer };
                    return self.agenda.file(asked + timeout, again);
                }
            },
        };
        if let Some(process) = self.processes.get_mut(engine) {
            process.answers.push((now, answer));
        }
        self.complete(id, Completion::Probed(answer));
    }

    fn client_asks(&mut self, pool: PoolUid) {
        let Some(traffic) = self.traffic.get(&pool).copied() else { return };
        let stream = self.streams.of_clients(self.seed, pool);
        let next = stream.span(traffic.every);
        let priority = if stream.one_in(3) { Priority::Batch } else { Priority::Interactive };
        let withdraws = stream.one_in(traffic.withdraws_one_in);
        let patience = stream.span(traffic.every);
        self.agenda.file(self.now + next, Occurrence::ClientAsks(pool));
        let input = self.lease_ask(pool, traffic.ttl, priority);
        if withdraws && let Input::LeaseAsk { command: ask, .. } = input {
            let withdraw = Input::LeaseWithdraw { pool, ask };
            self.agenda.file(self.now + patience, Occurrence::Arrives(withdraw));
        }
        self.feed(input);
    }

    fn operator_acts(&mut self) {
        let Some(operator) = self.operator.clone() else { return };
        let stream = &mut self.streams.operator;
        let next =
            if stream.one_in(operator.hasty_one_in) { Duration::ZERO } else { stream.span(operator.every) };
        let pools: Vec<PoolUid> = self.host.view().pools().map(|pool| pool.uid).collect();
        let drawn = (stream.pick(&pools).copied(), operator.draw(stream));
        self.agenda.file(self.now + next, Occurrence::OperatorActs);
        if let (Some(pool), Some(verb)) = drawn {
            self.operate(pool, verb);
        }
    }

    fn operate(&mut self, pool: PoolUid, verb: Verb) {
        self.learn(&verb);
        let command = self.next_command();
        self.feed(Input::Command { command, correlation: correlation_of(command), pool, verb });
    }
}
