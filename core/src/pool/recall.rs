//! A pool made of Facts, and the Facts of a pool. What it is doing follows from what is known: an engine that
//! was ready serves, one that was not loads, one that was signalled or that a reload tried is being ended; a
//! pool without an engine starts when it is wanted up. `resume` asks the rest.

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use crate::breaker::Circuits;
use crate::deadline::{Deadlines, Due};
use crate::effect::FileKind;
use crate::errand::Errands;
use crate::files::Files;
use crate::gate::Gates;
use crate::id::{Correlation, Incarnation, OperationId, PoolName, PoolUid};
use crate::input::ModelStamp;
use crate::journal::{
    EngineFacts, IncarnationFacts, LastErrorFacts, OperationFacts, PoolFacts, RunFacts, StartedBy,
    SupervisionFacts,
};
use crate::ladder::Ladder;
use crate::lease::LeaseBook;
use crate::liveness::Liveness;
use crate::operation::Operation;
use crate::phase::{
    DownBy, Engine, Held, HoldReason, Phase, Serving, StartCause, Stopping, Trouble, Waiting, Wanted,
};
use crate::pool::{Pool, Running, Supervision};
use crate::signs::Signs;
use crate::spec::{EngineSpec, Policy};
use crate::time::Time;
use crate::verdict::{CrashClass, LastError, StopCause, Verdict};
use crate::window::{OomWindow, RestartWindow};

impl Pool {
    /// What every later version must still know.
    pub(crate) fn facts(&self) -> PoolFacts {
        let (wanted_up, down_by) = match self.wanted_without_candidate() {
            Wanted::Up => (true, None),
            Wanted::Down(by) => (false, Some(by)),
        };
        let held = if let Phase::Held(held) = &self.phase { Some(held.reason()) } else { None };
        PoolFacts {
            uid: self.uid.0,
            name: self.name.to_string(),
            wanted_up,
            down_by,
            held,
            spec: (&self.spec).into(),
            previous: self.previous.as_deref().map(Into::into),
            policy: Some(self.policy.clone()),
            candidate: self.candidate_facts(),
            model_stamp: self.stamp.map(|stamp| stamp.0),
            incarnation: self.last_incarnation.into(),
            engine: self.run_facts(),
            heartbeat_nanos: self.heartbeat.map(Time::as_nanos),
            load_time_nanos: self.load_time.map(nanos),
            operation: self.operation().map(operation_facts),
            last_operation: self.last_operation.map(|id| id.0),
            supervision: self.supervision_facts(),
            leases: self.leases.facts(),
        }
    }

    /// A pool of which this is known; `None`: its name is none.
    pub(crate) fn recall(facts: &PoolFacts, now: Time) -> Option<Self> {
        let policy = facts.policy.clone().unwrap_or_default();
        let spec = EngineSpec::from(facts.spec.clone());
        let phase = phase(facts, &spec, &policy, now);
        let mut pool = Self {
            uid: PoolUid(facts.uid),
            name: PoolName::new(&facts.name).ok()?,
            spec,
            stamp: facts.model_stamp.map(ModelStamp),
            previous: facts.previous.clone().map(|previous| Box::new(previous.into())),
            candidate: facts.candidate.clone().map(|candidate| Box::new(candidate.into())),
            wanted: wanted(facts),
            shown: (phase.name(), now),
            leases: LeaseBook::recall(&facts.leases),
            files: Files::default(),
            running: facts.operation.and_then(|known| running(known, PoolUid(facts.uid))),
            last_operation: facts.last_operation.map(OperationId),
            supervision: supervision(&facts.supervision),
            last_incarnation: facts.incarnation.into(),
            deadlines: Deadlines::default(),
            errands: Errands::default(),
            abandoned_spawns: Default::default(),
            heartbeat: facts.heartbeat_nanos.map(Time::from_nanos),
            load_time: facts.load_time_nanos.map(Duration::from_nanos),
            gone: false,
            policy,
            phase,
        };
        pool.recall_deadlines(now);
        pool.recall_files();
        Some(pool)
    }

    /// The deadlines that follow from what a pool is doing.
    fn recall_deadlines(&mut self, now: Time) {
        match self.phase {
            Phase::Starting(engine) => {
                self.deadlines.arm(Due::StartTimeout, engine.spawned + self.policy.start.timeout);
            }
            Phase::Ready(Serving { engine, .. }) => {
                let since = engine.ready_since.unwrap_or(now);
                self.watch_ready(since, engine.cause);
            }
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Draining(..)
            | Phase::Stopping(_)
            | Phase::Ended(_)
            | Phase::Held(_) => {}
        }
    }

    /// What should be on disk; whether it is, nobody knows: it is written, or removed, again.
    fn recall_files(&mut self) {
        let (pid, handoff) = match self.phase {
            Phase::Starting(engine) => (engine.pid.is_some(), false),
            Phase::Ready(_) => (true, true),
            Phase::Stopping(_) | Phase::Held(Held::Stuck(_)) => (true, false),
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Draining(..)
            | Phase::Ended(_)
            | Phase::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine) => return,
        };
        self.files.recall(FileKind::Pid, pid);
        self.files.recall(FileKind::Handoff, handoff);
    }

    fn candidate_facts(&self) -> Option<EngineFacts> {
        let engine = self.phase.subject().filter(|engine| engine.cause == StartCause::Candidate)?;
        Some(self.spec_of(engine.cause).into())
    }

    fn run_facts(&self) -> Option<RunFacts> {
        // One that has just ended is not recorded yet: whoever reads this finds it gone, and records it.
        let engine = self.phase.subject()?;
        let stop_cause = match &self.phase {
            Phase::Stopping(stopping) | Phase::Held(Held::Stuck(stopping)) => Some(stopping.cause),
            Phase::Ended(ended) => ended.stopped_for,
            Phase::Stopped
            | Phase::Staging(_)
            | Phase::Waiting(_)
            | Phase::Starting(_)
            | Phase::Ready(_)
            | Phase::Draining(..)
            | Phase::Held(Held::Config { .. } | Held::NotReleased | Held::Quarantine) => None,
        };
        Some(RunFacts {
            incarnation: engine.incarnation.into(),
            spec_hash: self.spec_for(engine.cause).0,
            pid: engine.pid,
            spawned_nanos: engine.spawned.as_nanos(),
            ready_since_nanos: engine.ready_since.map(Time::as_nanos),
            started_by: Some(engine.cause.into()),
            doomed: self.trouble() == Trouble::Doomed,
            signalled: stop_cause.is_some(),
            stop_cause,
        })
    }

    fn supervision_facts(&self) -> SupervisionFacts {
        let known = &self.supervision;
        let [general, cuda] = known.circuits.facts();
        SupervisionFacts {
            crashes_total: known.crashes_total,
            restart_count: known.restart_count,
            failures: known.failures,
            general,
            cuda,
            restarts_nanos: known.window.starts().map(Time::as_nanos).collect(),
            oom_ends_nanos: known.ooms.ends().map(Time::as_nanos).collect(),
            restart_storms: known.window.storms(),
            restart_storm_rages: known.window.rages(),
            oom_storms: known.ooms.storms(),
            oom_storm_rages: known.ooms.rages(),
            backoff_until_nanos: known.backoff_until.map(Time::as_nanos),
            restart_allowed: known.allowed,
            last_error: known.last_error.as_ref().map(last_error_facts),
        }
    }
}

fn wanted(facts: &PoolFacts) -> Wanted {
    if facts.wanted_up { Wanted::Up } else { Wanted::Down(facts.down_by.unwrap_or(DownBy::Stop)) }
}

fn phase(facts: &PoolFacts, spec: &EngineSpec, policy: &Policy, now: Time) -> Phase {
    let Some(run) = &facts.engine else { return phase_without_engine(facts) };
    let engine = Engine {
        incarnation: run.incarnation.into(),
        pid: run.pid,
        spawned: Time::from_nanos(run.spawned_nanos),
        ready_since: run.ready_since_nanos.map(Time::from_nanos),
        cause: run.started_by.map_or(StartCause::Automatic, StartCause::from),
        signs: Signs::default(),
    };
    let grace = policy.stop.grace;
    let ending = |cause| Stopping { engine, cause, ladder: Ladder::Unspawned { grace } };
    let is_candidate = engine.cause == StartCause::Candidate || run.spec_hash != spec.hash.0;
    if run.signalled && facts.held == Some(HoldReason::Stuck) {
        let cause = run.stop_cause.unwrap_or(StopCause::Asked);
        return Phase::Held(Held::Stuck(Stopping { ladder: Ladder::Killed, ..ending(cause) }));
    }
    if run.signalled || is_candidate {
        return Phase::Stopping(ending(run.stop_cause.unwrap_or(StopCause::Asked)));
    }
    if engine.ready_since.is_none() {
        return Phase::Starting(engine);
    }
    let liveness = Liveness::begin(now, 0);
    let trouble = if run.doomed { Trouble::Doomed } else { Trouble::None };
    Phase::Ready(Serving { engine, liveness, trouble })
}

fn phase_without_engine(facts: &PoolFacts) -> Phase {
    if !facts.wanted_up {
        return Phase::Stopped;
    }
    match (facts.held, facts.supervision.backoff_until_nanos) {
        (Some(HoldReason::Config), _) => Phase::Held(Held::Config { look: true }),
        (Some(HoldReason::NotReleased), _) => Phase::Held(Held::NotReleased),
        (Some(HoldReason::Quarantine), _) => Phase::Held(Held::Quarantine),
        (Some(HoldReason::Stuck) | None, Some(until)) => {
            let gates = Gates { backoff_until: Some(Time::from_nanos(until)), ..Gates::default() };
            Phase::Waiting(Waiting { gates, cause: StartCause::Automatic })
        }
        // `resume` starts what is wanted.
        (Some(HoldReason::Stuck) | None, None) => Phase::Stopped,
    }
}

fn supervision(facts: &SupervisionFacts) -> Supervision {
    let times = |nanos: &[u64]| nanos.iter().copied().map(Time::from_nanos).collect();
    let starts = times(&facts.restarts_nanos);
    let ends = times(&facts.oom_ends_nanos);
    Supervision {
        last_error: facts.last_error.as_ref().map(last_error),
        crashes_total: facts.crashes_total,
        restart_count: facts.restart_count,
        failures: facts.failures,
        circuits: Circuits::recall(&facts.general, &facts.cuda),
        window: RestartWindow::recall(starts, facts.restart_storms, facts.restart_storm_rages),
        ooms: OomWindow::recall(ends, facts.oom_storms, facts.oom_storm_rages),
        backoff_until: facts.backoff_until_nanos.map(Time::from_nanos),
        allowed: facts.restart_allowed,
    }
}

fn operation_facts(operation: &Operation) -> OperationFacts {
    OperationFacts {
        id: operation.id.0,
        kind: Some(operation.kind),
        correlation: operation.correlation.0,
        started_nanos: operation.started.as_nanos(),
    }
}

fn running(facts: OperationFacts, pool: PoolUid) -> Option<Running> {
    let operation = Operation {
        id: OperationId(facts.id),
        kind: facts.kind?,
        pool,
        correlation: Correlation(facts.correlation),
        started: Time::from_nanos(facts.started_nanos),
        ended: None,
    };
    Some(Running { operation, drained: None, reload: None, recalled: true })
}

fn last_error_facts(error: &LastError) -> LastErrorFacts {
    LastErrorFacts {
        class: error.verdict.class.label().to_string(),
        text: error.verdict.class.to_string(),
        at_nanos: error.at.as_nanos(),
        incarnation: error.incarnation.map(Into::into),
        verdict: Some(error.verdict.clone()),
    }
}

fn last_error(facts: &LastErrorFacts) -> LastError {
    let unreadable = || Verdict { class: CrashClass::Unknown, evidence: Default::default() };
    LastError {
        verdict: facts.verdict.clone().unwrap_or_else(unreadable),
        incarnation: facts.incarnation.map(Into::into),
        at: Time::from_nanos(facts.at_nanos),
    }
}

impl From<StartCause> for StartedBy {
    fn from(cause: StartCause) -> Self {
        match cause {
            StartCause::Allowed => Self::Allowed,
            StartCause::Asked => Self::Asked,
            StartCause::Automatic => Self::Automatic,
            StartCause::Candidate => Self::Candidate,
            StartCause::First => Self::First,
            StartCause::Rollback => Self::Rollback,
        }
    }
}

impl From<StartedBy> for StartCause {
    fn from(by: StartedBy) -> Self {
        match by {
            StartedBy::Allowed => Self::Allowed,
            StartedBy::Asked => Self::Asked,
            StartedBy::Automatic => Self::Automatic,
            StartedBy::Candidate => Self::Candidate,
            StartedBy::First => Self::First,
            StartedBy::Rollback => Self::Rollback,
        }
    }
}

impl From<Incarnation> for IncarnationFacts {
    fn from(Incarnation { epoch, n }: Incarnation) -> Self {
        Self { epoch, n }
    }
}

impl From<IncarnationFacts> for Incarnation {
    fn from(IncarnationFacts { epoch, n }: IncarnationFacts) -> Self {
        Self { epoch, n }
    }
}

/// 584 years at most, as [`Time`].
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
