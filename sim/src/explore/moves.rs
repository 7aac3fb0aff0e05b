//! What may happen next in a state, in a fixed order, and what it costs.

use std::fmt;

use pool_manager_core::{
    CommandId, Due, EngineRef, ExitStatus, FileKind, LeaseId, PhaseName, PoolUid, ProbeAnswer, ProbeKind,
    ReleaseAnswer, SpawnError, StageError,
};

use super::around::{Asked, Pending, Process};
use super::state::State;
use super::table::Budget;
use super::world::World;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Act(PoolUid, Act),
    Answer(Pending, Reply),
    ClientAsks(PoolUid),
    ClientEnds(LeaseId),
    ClientRenews(LeaseId),
    /// The supervisor dies and is started again. `made`: spawns under way made their engines; `alive`: engines
    /// lived on.
    Crash {
        made: bool,
        alive: bool,
    },
    CudaLine(EngineRef),
    /// An engine ends. Its spawn may not be acknowledged yet.
    Ends(EngineRef, ExitStatus),
    Hangs(EngineRef),
    Late(Pending),
    Shutdown,
    Sticks(EngineRef),
    /// Time moves to the next deadline.
    Timer,
    Withdraws(CommandId, PoolUid),
    Xid(PoolUid),
}

/// How an effect is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Evidence(Found),
    File(bool),
    Preflight { fetch: bool },
    PreflightFails(StageError),
    Probe(ProbeAnswer),
    Release(ReleaseAnswer),
    Spawned,
    SpawnFails(SpawnError),
    Staged,
    StageFails(StageError),
}

/// What is found out about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    CudaError,
    NoDevice,
    Nothing,
}

/// A command of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    AllowRestart,
    Deregister,
    Drain,
    Preload,
    /// Gives up when its drain does not end in time.
    Reload,
    /// To what runs already.
    ReloadSame,
    /// Cuts what its drain does not see end in time.
    ReloadForced,
    ResetBreaker,
    Restart,
    Stop,
    Undrain,
}

impl Act {
    const ALL: [Self; 11] = [
        Self::AllowRestart,
        Self::Deregister,
        Self::Drain,
        Self::Preload,
        Self::Reload,
        Self::ReloadSame,
        Self::ReloadForced,
        Self::ResetBreaker,
        Self::Restart,
        Self::Stop,
        Self::Undrain,
    ];
}

const FREE: Budget = Budget { faults: 0, acts: 0 };
const FAULT: Budget = Budget { faults: 1, acts: 0 };
const ACT: Budget = Budget { faults: 0, acts: 1 };

/// Everything that may happen next, with its cost.
pub(super) fn moves(state: &State, world: &World, out: &mut Vec<(Move, Budget)>) {
    out.clear();
    if state.around.exited {
        return;
    }
    for pending in &state.around.pending {
        answers(state, *pending, out);
    }
    for process in &state.around.engines {
        life(state, *process, world, out);
    }
    for pool in world.uids() {
        clients(state, pool, world, out);
        operator(state, pool, out);
    }
    out.push((Move::Shutdown, ACT));
    out.push((Move::Crash { made: false, alive: true }, FAULT));
    if state.around.pending.iter().any(|pending| matches!(pending.asked, Asked::Spawn(..))) {
        out.push((Move::Crash { made: true, alive: true }, FAULT));
    }
    if !state.around.engines.is_empty() {
        out.push((Move::Crash { made: false, alive: false }, FAULT));
    }
    if let Some((at, pool, due)) = state.host.poll_timeout()
        && (at <= state.now || !state.around.is_busy())
    {
        out.push((Move::Timer, if is_too_slow(state, due, pool) { FAULT } else { FREE }));
    }
}

/// Staging that stalls, and a load that takes longer than it may, are faults; unless the engine hangs, which was one.
fn is_too_slow(state: &State, due: Due, pool: Option<PoolUid>) -> bool {
    match due {
        Due::StageAnswer | Due::StageNextAnswer => true,
        Due::StartTimeout => {
            // With its last probe still out it may become ready in time.
            let probes =
                |pending: &Pending| Some(pending.id.pool) == pool && matches!(pending.asked, Asked::Probe(_));
            let may_answer = state.around.pending.iter().any(|pending| probes(pending) && !pending.late);
            may_answer && !pool.is_some_and(|pool| state.around.hangs(pool))
        }
        Due::CircuitHalfOpen
        | Due::DrainDeadline
        | Due::GateOpens
        | Due::KillGrace
        | Due::LeaseExpiry
        | Due::ProbeSend
        | Due::QueueWait
        | Due::Recheck
        | Due::RestartCountReset
        | Due::Stable
        | Due::StuckWait
        | Due::SuspectOver
        | Due::TrialOver
        | Due::EvidenceAnswer
        | Due::HandoffFileAnswer
        | Due::PidFileAnswer
        | Due::PreflightAnswer
        | Due::ProbeAnswer
        | Due::ReleaseAnswer
        | Due::SpawnAnswer => false,
    }
}

fn answers(state: &State, pending: Pending, out: &mut Vec<(Move, Budget)>) {
    let mut may = |reply, cost| out.push((Move::Answer(pending, reply), cost));
    match pending.asked {
        Asked::Evidence => {
            may(Reply::Evidence(Found::Nothing), FREE);
            may(Reply::Evidence(Found::CudaError), FREE);
            may(Reply::Evidence(Found::NoDevice), FREE);
        }
        Asked::Preflight(_) => {
            may(Reply::Preflight { fetch: false }, FREE);
            may(Reply::Preflight { fetch: true }, FREE);
            may(Reply::PreflightFails(StageError::Missing), FAULT);
        }
        Asked::Probe(_) if state.around.hangs(pending.id.pool) => {
            may(Reply::Probe(ProbeAnswer::TimedOut), FREE);
        }
        Asked::Probe(kind) => {
            may(Reply::Probe(ProbeAnswer::Healthy), FREE);
            match kind {
                ProbeKind::Readiness => {
                    let engine = state.host.view().pool(pending.id.pool).and_then(|pool| pool.engine);
                    let in_time =
                        engine.is_some_and(|engine| state.now.since(engine.spawned) < World::LOADS_WITHIN);
                    may(Reply::Probe(ProbeAnswer::Loading), if in_time { FREE } else { FAULT });
                    may(Reply::Probe(ProbeAnswer::Stranger), FAULT);
                }
                ProbeKind::Liveness => {
                    may(Reply::Probe(ProbeAnswer::Unhealthy { status: 500 }), FAULT);
                }
            }
        }
        Asked::Release => {
            may(Reply::Release(ReleaseAnswer::Free), FREE);
            may(Reply::Release(ReleaseAnswer::Held), FAULT);
            may(Reply::Release(ReleaseAnswer::NoDevice), FAULT);
            may(Reply::Release(ReleaseAnswer::PortStranger { port: 1, pid: None }), FAULT);
        }
        Asked::Remove(_) | Asked::Write(_) => {
            may(Reply::File(true), FREE);
            may(Reply::File(false), FAULT);
        }
        Asked::Spawn(engine, _) => {
            may(Reply::Spawned, FREE);
            may(Reply::SpawnFails(SpawnError::NoResources), FAULT);
            may(Reply::SpawnFails(SpawnError::NotFound), FAULT);
            // It dies before anybody is told that it was made.
            out.push((Move::Ends(engine, ExitStatus::Code(1)), FAULT));
        }
        Asked::Stage(_) => {
            may(Reply::Staged, FREE);
            may(Reply::StageFails(StageError::Missing), FAULT);
            may(Reply::StageFails(StageError::Fetch(500)), FAULT);
        }
    }
    let takes_long = matches!(pending.asked, Asked::Stage(_));
    if !pending.late && !takes_long {
        out.push((Move::Late(pending), FAULT));
    }
}

fn life(state: &State, process: Process, world: &World, out: &mut Vec<(Move, Budget)>) {
    let engine = process.engine;
    let signalled = process.killed || process.termed.is_some();
    if signalled {
        if !(process.sticks && world.immortal) {
            out.push((Move::Ends(engine, ExitStatus::Code(0)), FREE));
        }
        if process.killed && !process.sticks {
            out.push((Move::Sticks(engine), FAULT));
        }
        return;
    }
    let phase = state.host.view().pool(engine.pool).map(|pool| pool.phase);
    let of_its_own = match phase {
        // Before Ready, 2 says that it cannot start as configured; after, 0 is a clean end.
        Some(PhaseName::Starting) => [ExitStatus::Code(1), ExitStatus::Code(2)],
        Some(
            PhaseName::Draining
            | PhaseName::Ended
            | PhaseName::Held
            | PhaseName::Ready
            | PhaseName::Staging
            | PhaseName::Stopped
            | PhaseName::Stopping
            | PhaseName::Waiting,
        )
        | None => [ExitStatus::Code(1), ExitStatus::Code(0)],
    };
    for status in of_its_own {
        out.push((Move::Ends(engine, status), FAULT));
    }
    if !process.hangs {
        out.push((Move::Hangs(engine), FAULT));
    }
    out.push((Move::CudaLine(engine), FAULT));
    out.push((Move::Xid(engine.pool), FAULT));
}

fn clients(state: &State, pool: PoolUid, world: &World, out: &mut Vec<(Move, Budget)>) {
    let Some(view) = state.host.view().pool(pool) else { return };
    if view.leases_active + view.leases_queued < world.leases.into() {
        out.push((Move::ClientAsks(pool), FREE));
    }
    for lease in state.around.held.iter().filter(|lease| lease.engine.pool == pool) {
        out.push((Move::ClientEnds(*lease), FREE));
        out.push((Move::ClientRenews(*lease), FREE));
    }
    let asks = state.around.asks.iter().filter(|(_, of)| *of == pool);
    out.extend(asks.map(|(ask, _)| (Move::Withdraws(*ask, pool), FREE)));
}

fn operator(state: &State, pool: PoolUid, out: &mut Vec<(Move, Budget)>) {
    if state.host.view().pool(pool).is_some() {
        out.extend(Act::ALL.into_iter().map(|act| (Move::Act(pool, act), ACT)));
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(pool, act) => write!(f, "the operator asks pool {pool} to {}", act.label()),
            Self::Answer(Pending { id, asked, late }, reply) => {
                let late = if *late { ", late" } else { "" };
                write!(f, "pool {}: {asked} {reply}{late}", id.pool)
            }
            Self::ClientAsks(pool) => write!(f, "a client asks pool {pool} for a lease"),
            Self::ClientEnds(lease) => write!(f, "lease {lease} is ended by its holder"),
            Self::ClientRenews(lease) => write!(f, "lease {lease} is renewed"),
            Self::Crash { made, alive } => {
                f.write_str("the supervisor dies and is started again")?;
                f.write_str(if *made { "; spawns under way made engines" } else { "" })?;
                f.write_str(if *alive { "" } else { "; no engine lived on" })
            }
            Self::CudaLine(engine) => write!(f, "engine {engine} logs a CUDA error"),
            Self::Ends(engine, status) => write!(f, "engine {engine} ends: {status:?}"),
            Self::Hangs(engine) => write!(f, "engine {engine} hangs from now on"),
            Self::Late(Pending { id, asked, .. }) => {
                write!(f, "pool {}: {asked} will be answered late, or never", id.pool)
            }
            Self::Shutdown => f.write_str("the supervisor is told to shut down"),
            Self::Sticks(engine) => write!(f, "engine {engine} does not die of KILL"),
            Self::Timer => f.write_str("time moves to the next deadline"),
            Self::Withdraws(_, pool) => write!(f, "a client that waits for a lease of pool {pool} goes away"),
            Self::Xid(pool) => write!(f, "the driver reports an error on the GPU of pool {pool}"),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |file: &FileKind| if *file == FileKind::Pid { "PID" } else { "handoff" };
        match self {
            Self::Evidence => f.write_str("evidence of the end:"),
            Self::Preflight(_) => f.write_str("the preflight of the reload"),
            Self::Probe(kind) => write!(f, "the {} probe", format!("{kind:?}").to_lowercase()),
            Self::Release => f.write_str("the release check says"),
            Self::Remove(kind) => write!(f, "removing the {} file", file(kind)),
            Self::Spawn(engine, _) => write!(f, "the spawn of engine {engine}"),
            Self::Stage(spec) => write!(f, "staging of spec {}", spec.0),
            Self::Write(kind) => write!(f, "writing the {} file", file(kind)),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence(found) => write!(f, "{found:?}"),
            Self::File(true) | Self::Spawned | Self::Staged => f.write_str("succeeds"),
            Self::File(false) => f.write_str("fails"),
            Self::Preflight { fetch } => write!(f, "says that bytes must be fetched: {fetch}"),
            Self::PreflightFails(error) | Self::StageFails(error) => write!(f, "fails: {error:?}"),
            Self::Probe(answer) => write!(f, "finds {answer:?}"),
            Self::Release(answer) => write!(f, "{answer:?}"),
            Self::SpawnFails(error) => write!(f, "fails: {error:?}"),
        }
    }
}

impl Act {
    const fn label(self) -> &'static str {
        match self {
            Self::AllowRestart => "allow a restart",
            Self::Deregister => "deregister",
            Self::Drain => "drain",
            Self::Preload => "preload",
            Self::Reload => "reload the other model",
            Self::ReloadForced => "reload the other model and cut leases at the deadline",
            Self::ReloadSame => "reload the model it has",
            Self::ResetBreaker => "reset its breaker",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Undrain => "undrain",
        }
    }
}
