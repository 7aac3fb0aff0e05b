//! What somebody outside does to the simulated host, in the present instant: operators, clients, signals, and
//! whatever goes wrong.

use std::time::Duration;

use pool_manager_core::{
    Answer, CommandId, EngineRef, FileKind, Holder, Input, LeaseId, LogClass, PoolSpec, PoolUid, Priority,
    Refusal, ReloadTarget, SpecHash, Verb,
};

use super::{Latencies, Occurrence, World, correlation_of};
use crate::clients::{Request, Stay, Traffic};
use crate::engine::{Ending, EngineHealth, EngineProfile};
use crate::operator::Operator;
use crate::release::Resources;
use crate::staging::StagingProfile;

impl World {
    /// Registers a pool whose engines behave as the profile says, in this instant.
    ///
    /// # Errors
    /// The core's refusal.
    pub fn register(&mut self, spec: PoolSpec, profile: EngineProfile) -> Result<PoolUid, Refusal> {
        self.set_engine(spec.engine.hash, profile);
        self.register_scripted(spec)
    }

    /// Registers a pool whose engines behave as [`World::set_engine`] said of its spec, in this instant.
    ///
    /// # Errors
    /// The core's refusal.
    pub fn register_scripted(&mut self, spec: PoolSpec) -> Result<PoolUid, Refusal> {
        let template = spec.clone();
        self.specs.insert(spec.engine.hash, spec.engine.clone());
        let command = self.next_command();
        self.awaited.insert(command);
        let correlation = correlation_of(command);
        self.send(Input::Register { command, correlation, spec: Box::new(spec) });
        match self.answers.get(&command) {
            Some(Answer::Registered { pool }) => {
                let pool = *pool;
                self.settle(pool, template);
                Ok(pool)
            }
            Some(Answer::Refused(refusal)) => Err(refusal.clone()),
            // It is not there, it died of the question, or it cannot write the answer down.
            None => Err(Refusal::ShuttingDown),
            other => panic!("W04: a registration is answered as such (answered {other:?})"),
        }
    }

    /// Engines of this spec behave like this from their next start on.
    pub fn set_engine(&mut self, spec: SpecHash, profile: EngineProfile) {
        self.profiles.insert(spec, profile);
    }

    /// Staging this spec goes like this from its next request on.
    pub fn set_staging(&mut self, spec: SpecHash, profile: StagingProfile) {
        self.staging.set_profile(spec, profile);
    }

    /// An operator's command, in this instant.
    pub fn command(&mut self, pool: PoolUid, verb: Verb) -> CommandId {
        self.learn(&verb);
        let command = self.next_command();
        self.awaited.insert(command);
        self.send(Input::Command { command, correlation: correlation_of(command), pool, verb });
        command
    }

    /// A lease ask, in this instant. The lease is held until [`World::end_lease`], its time to live, or
    /// the engine's end.
    pub fn ask_lease(&mut self, pool: PoolUid, priority: Priority, ttl: Option<Duration>) -> CommandId {
        let input = self.lease_ask(pool, ttl, priority);
        let Input::LeaseAsk { command, .. } = input else { unreachable!("lease_ask makes a lease ask") };
        self.awaited.insert(command);
        self.send(input);
        command
    }

    /// A holder ends its lease, in this instant.
    pub fn end_lease(&mut self, lease: LeaseId) -> CommandId {
        let input = self.lease_end(lease);
        let Input::LeaseEnd { command, .. } = input else { unreachable!("lease_end makes a lease end") };
        self.awaited.insert(command);
        self.send(input);
        command
    }

    /// A holder renews its lease, in this instant.
    pub fn renew_lease(&mut self, lease: LeaseId, ttl: Option<Duration>) -> CommandId {
        let command = self.next_command();
        self.clients.sent(command, Request::Renew);
        self.awaited.insert(command);
        self.send(Input::LeaseRenew { command, lease, ttl });
        command
    }

    /// SIGTERM to the supervisor, in this instant.
    pub fn shut_down(&mut self) {
        let correlation = correlation_of(CommandId(self.commands + 1));
        self.send(Input::Shutdown { correlation });
    }

    /// Another SIGTERM to the supervisor, so much later.
    pub fn shut_down_again(&mut self, after: Duration) {
        let correlation = correlation_of(CommandId(self.commands + 1));
        self.agenda.file(self.now + after, Occurrence::Arrives(Input::Shutdown { correlation }));
    }

    /// The pool's engine, if there is one, dies so much later.
    pub fn end_engine_later(&mut self, pool: PoolUid, after: Duration, ending: Ending) {
        if let Some(engine) = self.live_engine(pool) {
            self.agenda.file(self.now + after, Occurrence::ProcessEnds { engine, ending });
        }
    }

    /// The whole host is suspended for a while: the clock goes on, nothing else does.
    pub fn suspend(&mut self, by: Duration) {
        self.now = self.now + by;
        self.turns_now = 0;
        self.agenda.shift(by);
        self.disk.shift_queues(by);
        self.feed(Input::Gap { by });
        self.fire_timers();
    }

    /// The supervisor alone is stopped for a while: what happened meanwhile reaches it late, after the
    /// driver has noticed.
    pub fn stall(&mut self, by: Duration) {
        self.now = self.now + by;
        self.turns_now = 0;
        self.feed(Input::Stalled);
        self.run_instant();
    }

    /// The pool's engine dies in this instant. `false`: there is none.
    pub fn crash(&mut self, pool: PoolUid, ending: Ending) -> bool {
        let Some(engine) = self.live_engine(pool) else { return false };
        self.agenda.file(self.now, Occurrence::EngineDies { engine, ending });
        self.run_instant();
        true
    }

    /// The pool's engine answers differently from now on. `false`: there is none.
    pub fn set_health(&mut self, pool: PoolUid, health: EngineHealth) -> bool {
        let process = self.live_engine(pool).and_then(|engine| self.processes.get_mut(engine));
        process.is_some_and(|process| {
            process.health = health;
            true
        })
    }

    /// The pool's engine logs a line that means something. `false`: there is none.
    pub fn log_line(&mut self, pool: PoolUid, class: LogClass) -> bool {
        let process = self.live_engine(pool).and_then(|engine| self.processes.get_mut(engine));
        let Some(process) = process else { return false };
        let (engine, line) = (process.engine, process.log(class));
        self.send(Input::LogLine { engine, class, offset: line.offset });
        true
    }

    /// The driver of a GPU on the pool's mask reports an error.
    pub fn gpu_fault(&mut self, pool: PoolUid, xid: u32) {
        self.send(Input::GpuFault { pool, xid });
    }

    /// Somebody removes a file of a pool.
    pub fn remove_file(&mut self, pool: PoolUid, file: FileKind) {
        self.disk.remove(pool, file);
    }

    /// GPUs, driver and ports, to change what release checks find.
    pub const fn resources(&mut self) -> &mut Resources {
        &mut self.resources
    }

    /// Clients of a pool come and go by themselves.
    pub fn set_traffic(&mut self, pool: PoolUid, traffic: Traffic) {
        self.traffic.insert(pool, traffic);
        self.agenda.file(self.now, Occurrence::ClientAsks(pool));
    }

    /// An operator acts by themselves.
    pub fn set_operator(&mut self, operator: Operator) {
        self.agenda.file(self.now, Occurrence::OperatorActs);
        self.operator = Some(operator);
    }

    /// Nobody does anything of their own any more, engines behave, and nothing is wrong with the host; what is under
    /// way goes on. A supervisor that is dead is started.
    pub fn calm(&mut self) {
        self.traffic.clear();
        self.operator = None;
        // Nor is it short of processor time any more.
        self.latencies = self.latencies.at_most(Latencies::busy());
        self.calm_engines();
        self.heal();
        self.start_at_once();
        self.resources.calm();
        self.network.calm();
        self.agenda.retain(|occurrence| !matches!(occurrence, Occurrence::OperatorSends { .. }));
    }

    pub(super) fn send(&mut self, input: Input) {
        self.agenda.file(self.now, Occurrence::Arrives(input));
        self.run_instant();
    }

    pub(super) fn next_command(&mut self) -> CommandId {
        self.commands += 1;
        CommandId(self.commands)
    }

    pub(super) fn lease_ask(&mut self, pool: PoolUid, ttl: Option<Duration>, priority: Priority) -> Input {
        let command = self.next_command();
        self.clients.sent(command, Request::Ask { pool, stays: Stay::AsTraffic });
        let holder = Holder([u64::from(pool.0), command.0]);
        Input::LeaseAsk { command, correlation: correlation_of(command), pool, holder, priority, ttl }
    }

    pub(super) fn lease_end(&mut self, lease: LeaseId) -> Input {
        let command = self.next_command();
        self.clients.sent(command, Request::End { lease });
        Input::LeaseEnd { command, lease }
    }

    pub(super) fn live_engine(&self, pool: PoolUid) -> Option<EngineRef> {
        self.processes.alive(pool).last().map(|process| process.engine)
    }

    /// A reload names a spec that the executors will be asked for.
    pub(super) fn learn(&mut self, verb: &Verb) {
        if let Verb::Reload(reload) = verb
            && let ReloadTarget::Spec(spec) = &reload.to
        {
            self.specs.insert(spec.hash, spec.clone());
        }
    }
}
