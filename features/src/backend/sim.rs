//! The simulated backend: executors take no time, so all that passes is the engines' own. Every oracle of
//! the simulator looks on.

use std::time::Duration;

use pool_manager::telemetry::Record;
use pool_manager_core::{
    Answer, CommandId, ExitStatus, FileKind, HostConfig, LeaseId, LogClass, Operation, OperationId, PoolName,
    PoolSpec, PoolUid, PoolView, Priority, ProbeAnswer, Refusal, Time, Verb,
};
use pool_manager_sim::{
    Content, Ending, EngineHealth, EngineProfile, Hazard, Latencies, Process, Span, StagingProfile,
    TermBehaviour, TurnOrder, World, WorldConfig,
};

use super::{
    Accepted, Backend, CircuitSeen, Fault, HandoffSeen, HostCondition, LeaseAnswer, PoolStatus, ProcessSeen,
    Script, ScriptedHealth, ScriptedTerm,
};
use crate::draft::spec_hash;

/// One simulated host.
#[derive(Debug)]
pub struct SimBackend {
    world: World,
}

/// Longer than any scenario.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);
/// A process that is none of ours.
const STRANGER_PID: u32 = 77;

impl SimBackend {
    /// An empty host; the seed decides every jitter and every order of what is simultaneous.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut world = World::new(WorldConfig {
            seed,
            host: HostConfig::default(),
            latencies: Latencies::NONE,
            order: TurnOrder::Driver,
        });
        world.watch();
        world.keep_journal();
        Self { world }
    }

    fn uid(&self, pool: &str) -> PoolUid {
        match self.world.view().uid_of(pool) {
            Some(uid) => uid,
            None => panic!("the scenario names a pool that is not registered: {pool:?}"),
        }
    }

    fn accepted(&self, command: CommandId) -> Result<Accepted, Refusal> {
        match self.world.answer(command) {
            Some(Answer::Accepted { operation }) => Ok(Accepted::Operation(*operation)),
            Some(Answer::Done) => Ok(Accepted::Done),
            Some(Answer::Refused(refusal)) => Err(refusal.clone()),
            other => panic!("a command is accepted or refused, not answered {other:?}"),
        }
    }

    fn seen(&self, process: &Process) -> ProcessSeen {
        let spec = self.world.spec(process.spec);
        let healthy = process.answers.iter().find(|(_, answer)| *answer == ProbeAnswer::Healthy);
        ProcessSeen {
            pid: process.pid,
            model: spec.map(|spec| spec.catalog.model.clone()).unwrap_or_default(),
            started: process.spawned,
            ended: process.ended.map(|(at, _)| at),
            signals: process.signals.clone(),
            first_healthy: healthy.map(|(at, _)| *at),
        }
    }
}

impl Backend for SimBackend {
    fn script(&mut self, pool: &str, model: &str, script: &Script) {
        let spec = spec_hash(pool, model);
        self.world.set_engine(spec, profile(script));
        let Script { staging, .. } = script;
        self.world.set_staging(
            spec,
            StagingProfile {
                fetch: staging.fetch,
                takes: Some(Span::exactly(staging.takes)),
                progress_every: if staging.fetch { Duration::from_secs(1) } else { Duration::ZERO },
                stalls_after: staging.stalls_after,
                fails: staging.fails,
                preflight_fails: staging.preflight_fails,
                stamp: None,
            },
        );
    }

    fn register(&mut self, spec: PoolSpec) -> Result<(), Refusal> {
        self.world.register_scripted(spec).map(|_| ())
    }

    fn command(&mut self, pool: &str, verb: Verb) -> Result<Accepted, Refusal> {
        let command = self.world.command(self.uid(pool), verb);
        self.accepted(command)
    }

    fn command_to_nobody(&mut self, verb: Verb) -> Result<Accepted, Refusal> {
        let command = self.world.command(PoolUid(u32::MAX), verb);
        self.accepted(command)
    }

    fn ask_lease(&mut self, pool: &str, priority: Priority, ttl: Option<Duration>) -> u64 {
        self.world.ask_lease(self.uid(pool), priority, ttl).0
    }

    fn lease_answer(&self, ask: u64) -> Option<LeaseAnswer> {
        let answer = self.world.answer(CommandId(ask))?;
        if let Answer::Granted { lease, expires } = answer {
            return Some(LeaseAnswer::Granted { lease: *lease, expires: *expires });
        }
        let Answer::Refused(refusal) = answer else {
            panic!("a lease ask is granted or refused, not answered {answer:?}")
        };
        Some(LeaseAnswer::Refused(refusal.clone()))
    }

    fn end_lease(&mut self, lease: LeaseId) -> bool {
        let command = self.world.end_lease(lease);
        self.world.answer(command) == Some(&Answer::LeaseEnded)
    }

    fn renew_lease(&mut self, lease: LeaseId, ttl: Duration) -> Result<Option<Duration>, Option<Refusal>> {
        let command = self.world.renew_lease(lease, Some(ttl));
        match self.world.answer(command) {
            Some(Answer::Renewed { expires }) => Ok(expires.map(|expires| expires.left(self.world.now()))),
            Some(Answer::LeaseEndedBefore { .. }) => Err(None),
            Some(Answer::Refused(refusal)) => Err(Some(refusal.clone())),
            other => panic!("a renewal is granted or refused, not answered {other:?}"),
        }
    }

    fn advance_until(&mut self, bound: Duration, condition: &dyn Fn(&dyn Backend) -> bool) -> bool {
        // The condition sees the backend, so the time passes event by event here and not in the world.
        let end = self.world.now() + bound;
        loop {
            if condition(self) {
                return true;
            }
            if !self.world.next_event(end) {
                return condition(self);
            }
        }
    }

    fn inject(&mut self, pool: &str, fault: Fault) -> bool {
        let uid = self.uid(pool);
        let dies = |status, log, oom_kill| Ending { status, log, oom_kill };
        let ending = match fault {
            Fault::AbortsOnCuda => dies(ExitStatus::Signal(6), vec![LogClass::CudaError], false),
            Fault::Exits(code) => Ending::plain(ExitStatus::Code(code)),
            Fault::Killed(signal) => Ending::plain(ExitStatus::Signal(signal)),
            Fault::OomKilled => dies(ExitStatus::Signal(9), Vec::new(), true),
            Fault::AnswersStatus(status) => return self.world.set_health(uid, EngineHealth::Status(status)),
            Fault::Hangs => return self.world.set_health(uid, EngineHealth::Hangs),
            Fault::Recovers => return self.world.set_health(uid, EngineHealth::Healthy),
            Fault::LogsCudaError => return self.world.log_line(uid, LogClass::CudaError),
            Fault::GpuFault(xid) => {
                self.world.gpu_fault(uid, xid);
                return true;
            }
        };
        self.world.crash(uid, ending)
    }

    fn set_host(&mut self, condition: HostCondition) {
        let resources = self.world.resources();
        match condition {
            HostCondition::DriverFits(fits) => resources.set_driver_fits(fits),
            HostCondition::Gpus(gpus) => resources.set_gpus(gpus),
            HostCondition::PortTaken(port, true) => resources.occupy_port(port, STRANGER_PID),
            HostCondition::PortTaken(port, false) => resources.free_port(port),
        }
    }

    fn kill_supervisor(&mut self) {
        self.world.kill_supervisor();
    }

    fn start_supervisor(&mut self) {
        self.world.start_supervisor();
    }

    fn start_other_version(&mut self) {
        self.world.start_other_version();
    }

    fn shut_down(&mut self) {
        self.world.shut_down();
    }

    fn has_exited(&self) -> bool {
        self.world.has_exited()
    }

    fn now(&self) -> Time {
        self.world.now()
    }

    fn status(&self, pool: &str) -> Option<PoolStatus> {
        let view = self.world.view();
        view.pool(view.uid_of(pool)?).map(|pool| status(&pool, self.world.now()))
    }

    fn registry(&self) -> Vec<PoolStatus> {
        self.world.view().pools().map(|pool| status(&pool, self.world.now())).collect()
    }

    fn processes(&self, pool: &str) -> Vec<ProcessSeen> {
        let Ok(name) = PoolName::new(pool) else { return Vec::new() };
        let uid = self.world.uid_ever(&name);
        let of_pool = self.world.processes().iter().filter(|process| Some(process.engine.pool) == uid);
        of_pool.map(|process| self.seen(process)).collect()
    }

    fn probes(&self, pool: &str, engine: usize) -> Vec<Time> {
        let Ok(name) = PoolName::new(pool) else { return Vec::new() };
        let uid = self.world.uid_ever(&name);
        let mut of_pool = self.world.processes().iter().filter(|process| Some(process.engine.pool) == uid);
        let engine = engine.checked_sub(1).and_then(|place| of_pool.nth(place));
        engine.map(|engine| engine.probes.iter().map(|(at, _)| *at).collect()).unwrap_or_default()
    }

    fn pid_file(&self, pool: &str) -> Option<u32> {
        let uid = self.world.uid_ever(&PoolName::new(pool).ok()?)?;
        match self.world.disk().file(uid, FileKind::Pid)?.content {
            Content::Pid(pid) => Some(pid),
            Content::Handoff { .. } => panic!("the PID file of {pool} holds a handoff"),
        }
    }

    fn remove_pid_file(&mut self, pool: &str) {
        let uid = self.uid(pool);
        self.world.remove_file(uid, FileKind::Pid);
    }

    fn handoff_file(&self, pool: &str) -> Option<HandoffSeen> {
        let uid = self.world.uid_ever(&PoolName::new(pool).ok()?)?;
        match self.world.disk().file(uid, FileKind::Handoff)?.content.clone() {
            Content::Handoff { pool_id, catalog, device_mask, slots_total } => {
                Some(HandoffSeen { pool_id, catalog, device_mask, slots_total })
            }
            Content::Pid(_) => panic!("the handoff file of {pool} holds a pid"),
        }
    }

    fn stagings_asked(&self, pool: &str) -> Vec<String> {
        let uid = self.uid(pool);
        let asked = self.world.staging().asked().iter().filter(|asked| asked.pool == uid);
        asked.filter_map(|asked| self.world.spec(asked.spec)).map(|spec| spec.catalog.model.clone()).collect()
    }

    fn is_staged(&self, pool: &str, model: &str) -> bool {
        self.world.staging().is_staged(spec_hash(pool, model))
    }

    fn records(&self) -> Vec<Record> {
        self.world.records().to_vec()
    }

    fn metrics(&self) -> String {
        self.world.scrape()
    }

    fn operation(&self, id: OperationId) -> Option<Operation> {
        self.world.view().operation(id).cloned()
    }

    fn promptness(&self) -> Duration {
        Duration::ZERO
    }

    fn fingerprint(&self) -> Option<u64> {
        Some(self.world.trace().hash())
    }
}

fn profile(script: &Script) -> EngineProfile {
    let load = match script.health {
        ScriptedHealth::LoadsForEver => FOR_EVER,
        ScriptedHealth::Healthy | ScriptedHealth::Status(_) => script.load,
    };
    let ends = script.ends.map(|(after, code)| Hazard {
        one_in: 1,
        after: Span::exactly(after),
        endings: vec![Ending::plain(ExitStatus::Code(code))],
    });
    let default = EngineProfile::default();
    EngineProfile {
        spawn_ack: Span::NONE,
        load: Span::exactly(load),
        health: match script.health {
            ScriptedHealth::Status(status) => EngineHealth::Status(status),
            ScriptedHealth::Healthy | ScriptedHealth::LoadsForEver => EngineHealth::Healthy,
        },
        term: match script.term {
            ScriptedTerm::Exits(after) => TermBehaviour::Exits(Span::exactly(after)),
            ScriptedTerm::Ignores => TermBehaviour::Ignores,
        },
        kill: Span::exactly(script.kill_takes),
        lingers: Span::exactly(script.lingers),
        hazard: ends,
        spawn_fails_one_in: u32::from(script.spawn_fails.is_some()),
        spawn_error: script.spawn_fails.unwrap_or(default.spawn_error),
        ..default
    }
}

fn status(pool: &PoolView<'_>, now: Time) -> PoolStatus {
    PoolStatus {
        pool_id: pool.name.to_string(),
        phase: pool.phase,
        since: pool.since,
        held: pool.held,
        wanted: pool.wanted,
        live: pool.health.live,
        ready: pool.health.ready,
        draining: pool.draining,
        drain_left: pool.drain_deadline.map(|deadline| deadline.left(now)),
        incarnation: pool.engine.map(|engine| engine.incarnation),
        pid: pool.engine.and_then(|engine| engine.pid),
        spec: pool.spec.clone(),
        previous: pool.previous.cloned(),
        policy: pool.policy.clone(),
        leases_active: pool.leases_active,
        leases_queued: pool.leases_queued,
        lease_totals: pool.lease_totals,
        gates: pool.gates.copied(),
        operation: pool.operation.map(|operation| operation.id),
        last_operation: pool.last_operation,
        last_error: pool.last_error.cloned(),
        crashes_total: pool.crashes_total,
        restart_count: pool.restart_count,
        failures: pool.failures,
        circuits: pool.circuits.map(|circuit| CircuitSeen {
            kind: circuit.kind,
            state: circuit.state,
            failures: circuit.failures,
            until: circuit.until,
        }),
        restarts_in_window: pool.restarts_in_window,
        restart_storms: pool.restart_storms,
        oom_storms: pool.oom_storms,
        failed: pool.failed,
        suspect: pool.suspect,
        doomed: pool.doomed,
        restart_allowed: pool.restart_allowed,
        heartbeat: pool.heartbeat,
        load_time: pool.load_time,
    }
}
