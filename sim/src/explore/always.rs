//! What holds always: asked with every effect, and after every step. The invariants have the names they have in
//! `oracle`, whose oracles keep books over a whole run and so cannot be asked at a fork.

use pool_manager_core::{
    Answer, CircuitState, CommandId, Due, Effect, EngineRef, HoldReason, Input, OperationKind, Outcome,
    PhaseName, PoolUid, PoolView, Signal, SpecHash, View, Wanted,
};

use super::around::{Asked, Handoff};
use super::state::State;
use super::world::World;
use crate::oracle::{Violation, hold};

/// A property that somebody else adds to those that always hold.
pub type Property = fn(View<'_>) -> Result<(), Violation>;

/// What is remembered of the state before a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pools: [Pool; World::MOST_POOLS as usize],
    /// The deadline that fires, if the input is a timer's.
    fires: Option<(Option<PoolUid>, Due)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pool {
    circuit_open: bool,
    reloads: bool,
}

impl Before {
    pub(super) fn of(state: &State, input: &Input) -> Self {
        let mut pools = [Pool::default(); World::MOST_POOLS as usize];
        for pool in state.host.view().pools() {
            if let Some(place) = pools.get_mut(place_of(pool.uid)) {
                *place = Pool { circuit_open: is_open(&pool), reloads: reloads(&pool) };
            }
        }
        let fires = state.host.poll_timeout().filter(|_| *input == Input::Timer);
        Self { pools, fires: fires.map(|(_, pool, due)| (pool, due)) }
    }

    fn pool(&self, uid: PoolUid) -> Pool {
        self.pools.get(place_of(uid)).copied().unwrap_or_default()
    }
}

const fn place_of(uid: PoolUid) -> usize {
    (uid.0 as usize).wrapping_sub(1)
}

/// Asked with every effect, before it is carried out.
pub(super) fn effect(state: &mut State, before: &Before, effect: &Effect) -> Result<(), Violation> {
    match effect {
        Effect::Spawn { engine, .. } => spawn(state, before, *engine),
        Effect::Signal { engine, signal } => signalled(state, *engine, *signal),
        Effect::Reply { answer, .. } => granted(state, answer),
        Effect::Exit => exit(state),
        Effect::CancelStage { .. }
        | Effect::CheckRelease { .. }
        | Effect::CollectEvidence { .. }
        | Effect::Preflight { .. }
        | Effect::Probe { .. }
        | Effect::RemoveFile { .. }
        | Effect::Stage { .. }
        | Effect::WriteFile { .. } => {
            hold(!state.around.exited, "S34: no effect after the exit", || format!("{effect:?}"))
        }
    }
}

fn spawn(state: &mut State, before: &Before, engine: EngineRef) -> Result<(), Violation> {
    let view = state.host.view();
    hold(!state.around.exited && !view.is_closing(), "S34: nothing is spawned during a shutdown", || {
        engine.to_string()
    })?;
    let lives = state.around.engines.iter().find(|other| other.engine.pool == engine.pool && !other.killed);
    hold(lives.is_none(), "S09: no spawn before the last engine was reaped", || {
        format!("{engine} beside {lives:?}")
    })?;
    let Some(pool) = view.pool(engine.pool) else { return Ok(()) };
    hold(pool.wanted == Wanted::Up, "S17: what is wanted down is not spawned", || engine.to_string())?;
    let was = before.pool(engine.pool);
    let open = was.circuit_open && is_open(&pool);
    let Some(remembered) = state.around.of(engine.pool) else { return Ok(()) };
    let allowed = remembered.allowed;
    if open && !was.reloads {
        remembered.allowed = false;
    }
    hold(!open || was.reloads || allowed, "S19: nothing is started while a circuit is open", || {
        engine.to_string()
    })
}

fn signalled(state: &mut State, engine: EngineRef, signal: Signal) -> Result<(), Violation> {
    let Some(process) = state.around.process(engine).copied() else { return Err(no_such_process(engine)) };
    let view = state.host.view().pool(engine.pool);
    let current = view.as_ref().and_then(|pool| pool.engine);
    let is_current = current.is_some_and(|current| current.incarnation == engine.incarnation);
    let waited = process.termed.is_some_and(|at| state.now.since(at) >= World::GRACE);
    let may_kill = !is_current || waited || process.doomed || state.around.shutdowns > 1;
    hold(signal != Signal::KillTree || may_kill, "S12: KILL comes after TERM and its grace", || {
        format!("{engine}: TERM came at {:?}", process.termed)
    })?;
    let handoff = state.around.of(engine.pool).map(|remembered| remembered.handoff);
    let stands = is_current && handoff == Some(Handoff::Written);
    hold(!stands, "S02: the handoff file goes before any signal", || format!("{engine} gets {signal:?}"))
}

/// S11, where there is no process to be signalled or changed.
pub(super) fn no_such_process(engine: EngineRef) -> Violation {
    let invariant = "S11: signals go only to processes we made and have not reaped";
    Violation { invariant, detail: engine.to_string() }
}

fn granted(state: &State, answer: &Answer) -> Result<(), Violation> {
    let Answer::Granted { lease, .. } = answer else { return Ok(()) };
    let pool = state.host.view().pool(lease.engine.pool);
    let serves = pool.is_some_and(|pool| {
        pool.health.ready && pool.engine.is_some_and(|engine| engine.incarnation == lease.engine.incarnation)
    });
    hold(serves, "S01: leases are granted by the ready engine only", || lease.to_string())
}

fn exit(state: &State) -> Result<(), Violation> {
    hold(!state.around.exited, "S34: no effect after the exit", || "a second exit".to_owned())?;
    let left = state.around.engines.iter().find(|process| {
        let pool = state.host.view().pool(process.engine.pool);
        !process.killed && pool.is_none_or(|pool| pool.held != Some(HoldReason::Stuck))
    });
    hold(left.is_none(), "S34: the supervisor leaves no engine behind", || format!("{left:?}"))
}

/// A reply answers the command of its own step, or an ask that waits.
pub(super) fn reply_is_awaited(
    command: CommandId,
    answer: &Answer,
    open: Option<CommandId>,
    asks: &[(CommandId, PoolUid)],
) -> Result<(), Violation> {
    hold(open == Some(command) || asks.iter().any(|(ask, _)| *ask == command), REPLIES, || {
        format!("{command:?} is answered {answer:?} but waits for nothing")
    })
}

/// The command of a step was answered in it.
pub(super) fn replied(open: Option<CommandId>) -> Result<(), Violation> {
    hold(open.is_none(), REPLIES, || format!("no reply to {open:?}"))
}

const REPLIES: &str = "S35: exactly one reply per command";

/// An answer nobody waits for changes nothing.
pub(super) fn stale_is_harmless(
    unchanged: bool,
    effect: Option<Effect>,
    asked: Asked,
) -> Result<(), Violation> {
    hold(unchanged && effect.is_none(), "W02: a stale answer changes nothing", || {
        format!("{asked:?}, then {effect:?}")
    })
}

/// Asked after every step.
pub(super) fn after(state: &State, before: &Before) -> Result<(), Violation> {
    let view = state.host.view();
    if let Some((at, pool, due)) = state.host.poll_timeout() {
        // Several leases may expire, and several asks give up, in one instant.
        let one_by_one = matches!(due, Due::LeaseExpiry | Due::QueueWait);
        let again = before.fires == Some((pool, due)) && at <= state.now && !one_by_one;
        hold(!again, "S36: a deadline that fired is not due again at once", || format!("{due:?}"))?;
    }
    let mut queued = 0;
    for pool in view.pools() {
        readiness(state, &pool)?;
        deadlines(&pool)?;
        leases(state, &pool)?;
        reload(state, &pool)?;
        queued += pool.leases_queued as usize;
    }
    let asks = &state.around.asks;
    hold(queued == asks.len(), REPLIES, || format!("{asks:?} wait, {queued} are queued"))?;
    for process in state.around.engines.iter().filter(|process| !process.killed) {
        let engine = view.pool(process.engine.pool).and_then(|pool| pool.engine);
        let known = engine.is_some_and(|engine| engine.incarnation == process.engine.incarnation);
        hold(known, "S13: no process is forgotten", || format!("{process:?}"))?;
    }
    Ok(())
}

fn readiness(state: &State, pool: &PoolView<'_>) -> Result<(), Violation> {
    let ready = pool.phase == PhaseName::Ready;
    hold(
        pool.health.ready == (ready && !pool.suspect),
        "S01: ready exactly in phase Ready, unless suspect",
        || format!("pool {} is {:?} with {:?}", pool.name, pool.phase, pool.health),
    )?;
    let draining = pool.phase == PhaseName::Draining;
    hold(pool.draining == draining, "S01: the draining flag", || format!("pool {}", pool.name))?;
    let lives = state.around.engines.iter().filter(|process| process.engine.pool == pool.uid);
    let runs = pool
        .engine
        .is_some_and(|engine| lives.clone().any(|process| process.engine.incarnation == engine.incarnation));
    hold(!ready || runs, "S01: what is ready runs", || format!("pool {}", pool.name))?;
    let several = lives.filter(|process| !process.killed).count() > 1;
    hold(!several, "S09: at most one live process per pool", || format!("pool {}", pool.name))
}

fn deadlines(pool: &PoolView<'_>) -> Result<(), Violation> {
    let rests = matches!(pool.phase, PhaseName::Stopped | PhaseName::Held);
    let waits = !rests && pool.phase != PhaseName::Ready;
    hold(!waits || pool.next.is_some(), "S36: a phase that waits has an armed deadline", || {
        format!("pool {} is {:?}", pool.name, pool.phase)
    })?;
    let prepares = reloads(pool) && pool.next.is_some_and(|(_, due)| due != Due::LeaseExpiry);
    hold(!rests || pool.operation.is_none() || prepares, "W01: a pool at rest runs no operation", || {
        format!("pool {} is {:?} and runs {:?}", pool.name, pool.phase, pool.operation)
    })
}

fn leases(state: &State, pool: &PoolView<'_>) -> Result<(), Violation> {
    let name = "S25: leases are conserved, by the clients' own books";
    let totals = pool.lease_totals;
    let ended = totals.completed + totals.expired + totals.cut + totals.lost;
    hold(totals.granted == ended + u64::from(pool.leases_active), name, || {
        format!("pool {}: {totals:?} and {} active", pool.name, pool.leases_active)
    })?;
    let active = state.host.view().leases(pool.uid).map(|lease| lease.id);
    let held = state.around.held.iter().filter(|lease| lease.engine.pool == pool.uid).copied();
    hold(active.eq(held), name, || format!("pool {}: clients hold {:?}", pool.name, state.around.held))?;
    let within = pool.leases_active <= pool.policy.lease.slots;
    hold(within, "S25: never more leases than slots", || format!("pool {}", pool.name))
}

const ALL_OR_NOTHING: &str = "S28: a reload is all or nothing";

fn reload(state: &State, pool: &PoolView<'_>) -> Result<(), Violation> {
    let remembered = state.around.pools.get(place_of(pool.uid));
    let from = remembered.and_then(|remembered| remembered.reloads_from);
    let holds = !reloads(pool) || from == Some(pool.spec.hash);
    hold(holds, ALL_OR_NOTHING, || format!("pool {} shows another spec while its reload runs", pool.name))
}

/// A reload that ended committed what was asked, or left everything as it was.
pub(super) fn reload_ended(
    state: &State,
    uid: PoolUid,
    from: Option<SpecHash>,
    outcome: &Outcome,
) -> Result<(), Violation> {
    let (Some(pool), Some(from)) = (state.host.view().pool(uid), from) else { return Ok(()) };
    let engine = pool.engine.map(|engine| EngineRef { pool: uid, incarnation: engine.incarnation });
    let runs = engine.and_then(|engine| state.around.process(engine)).map(|process| process.spec);
    let holds = match outcome {
        Outcome::Completed => runs.is_none_or(|spec| spec == pool.spec.hash),
        Outcome::RolledBack { .. } => {
            let is_back = runs == Some(from) || (runs.is_none() && pool.wanted != Wanted::Up);
            pool.spec.hash == from && is_back
        }
        Outcome::EngineExited { .. }
        | Outcome::Failed { .. }
        | Outcome::ForceStopped { .. }
        | Outcome::Interrupted
        | Outcome::Superseded { .. }
        | Outcome::Stuck
        | Outcome::TimedOut
        | Outcome::Undrained => pool.spec.hash == from,
    };
    hold(holds, ALL_OR_NOTHING, || {
        format!("pool {}: {outcome:?} from {from:?}; runs {runs:?}, shows {:?}", pool.name, pool.spec.hash)
    })
}

fn is_open(pool: &PoolView<'_>) -> bool {
    pool.circuits.iter().any(|circuit| circuit.state == CircuitState::Open)
}

fn reloads(pool: &PoolView<'_>) -> bool {
    pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload)
}
