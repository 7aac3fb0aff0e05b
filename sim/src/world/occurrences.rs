//! What happens in the simulated host, and what of it the core hears.

use core::time::Duration;

use pool_manager_core::{
    Answer, CommandId, Completion, EffectId, EngineRef, FileKind, Input, LeaseId, LogClass, LogEvidence,
    PoolUid, Priority, ProbeAnswer, ReleaseAnswer, Spawned, SpecHash, Time, Verb,
};

use super::crash::Crash;
use super::{World, correlation_of};
use crate::clients::Request;
use crate::disk::StoredFile;
use crate::engine::Ending;
use crate::fault::Place;

/// One entry of the agenda.
#[derive(Clone, Debug)]
pub(super) enum Occurrence {
    /// What an answer promises is on disk: whoever asked hears it.
    Answers { command: CommandId, answer: Box<Answer> },
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
    /// An engine dies by itself, unless it has ended.
    EngineDies { engine: EngineRef, ending: Ending },
    /// What was found out about an end is known.
    EvidenceLands { id: EffectId, engine: EngineRef },
    /// An answer of an executor that was late.
    Late(Box<Self>),
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
    /// A process ends of a signal, unless it has ended.
    ProcessEnds { engine: EngineRef, ending: Ending },
    /// The core hears of an end.
    ExitSeen { engine: EngineRef },
    /// A line of an engine's log is read, and told to the core.
    LineRead { engine: EngineRef, line: LogEvidence },
    /// A live engine logs lines, one of these after the other, and will again.
    Logs { engine: EngineRef, classes: Vec<LogClass>, left: u32, every: Duration },
    /// The number of an engine of which nothing is left is given back.
    PidIsFree { engine: EngineRef },
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
    /// The service manager starts the supervisor.
    SupervisorStarts(Box<Crash>),
    /// What kept a process from running passes.
    Thaws { engine: EngineRef },
    /// A worker ends, unless it has ended.
    WorkerEnds { engine: EngineRef, place: usize },
    /// An engine makes its workers.
    WorkersBegin { engine: EngineRef, count: u32 },
    /// A file is there.
    WriteLands { id: EffectId, file: FileKind, stored: StoredFile },
}

impl Occurrence {
    /// Whether it is news of this staging.
    pub(super) fn is_of_staging(&self, effect: EffectId) -> bool {
        matches!(self, Self::StageLands { id } | Self::StageMoves { id } if *id == effect)
    }

    /// The file it is an action on: there is one at a time, also where the driver hears of several at once.
    pub(super) fn file_queue(&self) -> Option<(PoolUid, FileKind)> {
        if let Self::RemovalLands { engine, file, .. } = self {
            Some((engine.pool, *file))
        } else if let Self::WriteLands { file, stored, .. } = self {
            Some((stored.by.pool, *file))
        } else {
            None
        }
    }

    /// Whether it happens all the same when the supervisor dies: executors go with it, engines, clients and
    /// operators do not.
    pub(super) const fn outlives_supervisor(&self) -> bool {
        match self {
            Self::ClientAsks(_)
            | Self::ClientEnds(_)
            | Self::ClientRenews(_)
            | Self::EngineDies { .. }
            | Self::Logs { .. }
            | Self::OperatorActs
            | Self::OperatorSends { .. }
            | Self::ProcessEnds { .. }
            | Self::SupervisorStarts(_)
            | Self::Thaws { .. }
            | Self::WorkerEnds { .. }
            | Self::WorkersBegin { .. } => true,
            Self::Answers { .. }
            | Self::Arrives(_)
            | Self::Completes { .. }
            | Self::EvidenceLands { .. }
            | Self::ProbeLands { .. }
            | Self::ExitSeen { .. }
            | Self::Late(_)
            | Self::LineRead { .. }
            | Self::PidIsFree { .. }
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
            Self::Answers { .. }
            | Self::ClientEnds(_)
            | Self::ClientRenews(_)
            | Self::Completes { .. }
            | Self::EngineDies { .. }
            | Self::EvidenceLands { .. }
            | Self::Late(_)
            | Self::LineRead { .. }
            | Self::Logs { .. }
            | Self::PidIsFree { .. }
            | Self::ProbeLands { .. }
            | Self::ProcessEnds { .. }
            | Self::ExitSeen { .. }
            | Self::SupervisorStarts(_)
            | Self::ReleaseLands { .. }
            | Self::RemovalLands { .. }
            | Self::SpawnLands { .. }
            | Self::StageLands { .. }
            | Self::StageMoves { .. }
            | Self::Thaws { .. }
            | Self::WorkerEnds { .. }
            | Self::WorkersBegin { .. }
            | Self::WriteLands { .. } => false,
        }
    }

    /// Whether a client of this engine's is done then.
    pub(super) fn is_end_of_work(&self, engine: EngineRef) -> bool {
        matches!(self, Self::ClientEnds(lease) if lease.engine == engine)
    }

    /// Whether it is something that strikes, and does not once everybody is calm.
    pub(super) const fn is_trouble(&self) -> bool {
        matches!(self, Self::EngineDies { .. } | Self::Logs { .. })
    }
}

impl World {
    pub(super) fn occur(&mut self, occurrence: Occurrence) {
        // It was due in the very instant in which the supervisor died.
        if self.is_down() && !occurrence.outlives_supervisor() {
            return;
        }
        if let Some(occurrence) = self.passes(occurrence) {
            self.come_about(occurrence);
        }
    }

    fn come_about(&mut self, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Answers { command, answer } => {
                if let Some(journal) = &mut self.journal {
                    journal.synced(self.now);
                }
                self.deliver(command, *answer);
            }
            Occurrence::Late(late) => self.come_about(*late),
            Occurrence::SupervisorStarts(crash) => self.supervisor_starts(crash),
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
            Occurrence::EngineDies { engine, ending } | Occurrence::ProcessEnds { engine, ending } => {
                self.process_ends(engine, ending);
            }
            Occurrence::ExitSeen { engine } => self.exit_seen(engine),
            Occurrence::LineRead { engine, line: LogEvidence { class, offset } } => {
                self.feed(Input::LogLine { engine, class, offset });
            }
            Occurrence::Logs { engine, classes, left, every } => self.logs(engine, classes, left, every),
            Occurrence::PidIsFree { engine } => self.free_pid(engine),
            Occurrence::ReleaseLands { id, spec } if self.resources.gpus().answers_at() > self.now => {
                self.agenda.file(self.resources.gpus().answers_at(), Occurrence::ReleaseLands { id, spec });
            }
            Occurrence::ReleaseLands { id, spec } => {
                let in_use = self.processes.not_over().any(|process| process.engine.pool == id.pool);
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
            Occurrence::Thaws { engine } => self.thaw_if_due(engine),
            Occurrence::WorkerEnds { engine, place } => self.worker_ends(engine, place),
            Occurrence::WorkersBegin { engine, count } => self.workers_begin(engine, count),
            Occurrence::WriteLands { id, file, stored } => {
                self.disk.write(file, stored);
                self.complete(id, Completion::FileDone(Ok(())));
            }
        }
    }

    fn complete(&mut self, effect: EffectId, result: Completion) {
        self.feed(Input::Completed { effect, result });
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
        if of_way == Some(ProbeAnswer::TimedOut) && now < asked + timeout {
            let again = Occurrence::ProbeLands { id, engine, asked, timeout, answer: of_way };
            return self.agenda.file(asked + timeout, again);
        }
        let busy = self.clients.book(engine.pool).is_some_and(|book| !book.active.is_empty());
        let process = self.processes.of(engine).filter(|process| process.is_alive());
        let slowness = process.map_or(Duration::ZERO, |process| process.answers_after(now)).min(timeout);
        if of_way.is_none() && now < asked + slowness {
            // It became slow while the probe was under way.
            let again = Occurrence::ProbeLands { id, engine, asked, timeout, answer };
            return self.agenda.file(asked + slowness, again);
        }
        let answer = match process {
            _ if of_way.is_some() => of_way.unwrap_or(ProbeAnswer::TimedOut),
            None => ProbeAnswer::Refused,
            Some(_) if slowness >= timeout && !timeout.is_zero() => ProbeAnswer::TimedOut,
            Some(process) => process.answer(now, busy),
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
