//! The simulated backend: executors take no time, so all that passes is the engines' own; the engines
//! exit the instant they are told. Every oracle of the simulator looks on.

use std::time::Duration;

use pool_manager_core::{
    Answer, ExitStatus, FileKind, HostConfig, LeaseId, Operation, OperationId, PoolSpec, PoolUid, PoolView,
    Refusal, Verb,
};
use pool_manager_sim::{
    Content, Ending, EngineHealth, EngineProfile, Latencies, Span, TermBehaviour, TurnOrder, World,
    WorldConfig,
};

use super::{Backend, EngineKind, Fault, Observation, PoolStatus, ProcessSeen};

/// One simulated host.
#[derive(Debug)]
pub struct SimBackend {
    world: World,
}

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
        Self { world }
    }

    fn uid(&self, pool: &str) -> PoolUid {
        match self.world.view().uid_of(pool) {
            Some(uid) => uid,
            None => panic!("the scenario names a pool that is not registered: {pool:?}"),
        }
    }

    fn status(&self, pool: &PoolView<'_>) -> PoolStatus {
        PoolStatus {
            pool_id: pool.name.to_string(),
            phase: pool.phase,
            draining: pool.draining,
            drain_left: pool.drain_deadline.map(|deadline| deadline.left(self.world.now())),
            live: pool.health.live,
            ready: pool.health.ready,
            leases_active: pool.leases_active,
            leases_cut: pool.lease_totals.cut,
        }
    }
}

impl Backend for SimBackend {
    fn register(&mut self, spec: PoolSpec, engine: EngineKind) -> Result<(), Refusal> {
        let term = match engine {
            EngineKind::Obedient => TermBehaviour::Exits(Span::NONE),
            EngineKind::IgnoresTerm => TermBehaviour::Ignores,
        };
        let profile = EngineProfile {
            spawn_ack: Span::NONE,
            load: Span::millis(1200, 1200),
            term,
            kill: Span::NONE,
            ..EngineProfile::default()
        };
        self.world.register(spec, profile).map(|_| ())
    }

    fn command(&mut self, pool: &str, verb: Verb) -> Result<OperationId, Refusal> {
        let command = self.world.command(self.uid(pool), verb.clone());
        match self.world.answer(command) {
            Some(Answer::Accepted { operation }) => Ok(*operation),
            Some(Answer::Refused(refusal)) => Err(refusal.clone()),
            other => panic!("{verb:?} of {pool} is accepted or refused, not answered {other:?}"),
        }
    }

    fn ask_lease(&mut self, pool: &str) -> Result<LeaseId, Refusal> {
        let command = self.world.ask_lease(self.uid(pool), Some(Duration::ZERO));
        match self.world.answer(command) {
            Some(Answer::Granted { lease, .. }) => Ok(*lease),
            Some(Answer::Refused(refusal)) => Err(refusal.clone()),
            other => panic!("a lease on {pool} is granted or refused at once, not answered {other:?}"),
        }
    }

    fn end_lease(&mut self, lease: LeaseId) -> bool {
        let command = self.world.end_lease(lease);
        self.world.answer(command) == Some(&Answer::LeaseEnded)
    }

    fn advance_until(
        &mut self,
        pool: &str,
        bound: Duration,
        condition: &dyn Fn(&Observation) -> bool,
    ) -> bool {
        // The condition sees the backend, so the time passes event by event here and not in the world.
        let end = self.world.now() + bound;
        loop {
            if condition(&self.observe(pool)) {
                return true;
            }
            if !self.world.next_event(end) {
                return condition(&self.observe(pool));
            }
        }
    }

    fn inject(&mut self, pool: &str, fault: Fault) {
        let uid = self.uid(pool);
        let done = match fault {
            Fault::Exits(code) => self.world.crash(uid, Ending::plain(ExitStatus::Code(code))),
            Fault::Hangs => self.world.set_health(uid, EngineHealth::Hangs),
        };
        assert!(done, "{fault:?} needs an engine of {pool} that runs");
    }

    fn observe(&self, pool: &str) -> Observation {
        let uid = self.uid(pool);
        let (view, disk) = (self.world.view(), self.world.disk());
        let pid_file = disk.file(uid, FileKind::Pid).map(|file| match &file.content {
            Content::Pid(pid) => *pid,
            Content::Handoff { .. } => panic!("the PID file of {pool} holds a handoff"),
        });
        let processes = self.world.processes().iter().filter(|process| process.engine.pool == uid);
        let seen = |process: &pool_manager_sim::Process| ProcessSeen {
            pid: process.pid,
            alive: process.is_alive(),
            signals: process.signals.iter().map(|(_, signal)| *signal).collect(),
        };
        Observation {
            status: view.pool(uid).map(|pool| self.status(&pool)),
            snapshot: view.pools().map(|pool| self.status(&pool)).collect(),
            processes: processes.map(seen).collect(),
            pid_file,
            handoff_file: disk.file(uid, FileKind::Handoff).is_some(),
            records: self.world.records().to_vec(),
            metrics: self.world.scrape(),
        }
    }

    fn operation(&self, id: OperationId) -> Option<Operation> {
        self.world.view().operation(id).cloned()
    }

    fn promptness(&self) -> Duration {
        Duration::ZERO
    }
}
