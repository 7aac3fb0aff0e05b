//! The smallest driver: records, feeds, and answers every effect at once and well.

use pool_manager_core::journal::{EffectHash, Facts, Header, Writer};
use pool_manager_core::{
    Answer, CommandId, Completion, Correlation, Effect, EffectId, ExitStatus, Holder, Host, Input, LeaseId,
    ModelStamp, PoolUid, Preflight, Priority, ProbeAnswer, ReleaseAnswer, Spawned, Time,
};

pub(crate) struct Driver {
    pub(crate) host: Host,
    pub(crate) effects: EffectHash,
    pub(crate) writer: Writer,
    /// Leases granted and not ended.
    pub(crate) leases: Vec<LeaseId>,
    now: u64,
    commands: u64,
}

impl Driver {
    /// From a host that is as it is; the segment begins with it.
    pub(crate) fn begin(host: Host, facts: &Facts) -> Self {
        let mut writer = Writer::begin(&Header::new(7, 1));
        writer.facts(facts);
        writer.state(&host, EffectHash::BEGIN);
        let now = host.view().now().as_nanos();
        Self { host, effects: EffectHash::BEGIN, writer, leases: Vec::new(), now, commands: 1 }
    }

    /// Feeds an input and everything that comes of it.
    pub(crate) fn feed(&mut self, input: Input) {
        self.feed_recorded(input.clone(), &input);
    }

    /// Feeds one input and records another.
    pub(crate) fn feed_recorded(&mut self, input: Input, recorded: &Input) {
        self.now += 1_000_000;
        let at = Time::from_nanos(self.now);
        self.writer.input(at, recorded, self.effects);
        self.host.handle(at, input);
        let effects: Vec<Effect> = std::iter::from_fn(|| self.host.poll_effect()).collect();
        while self.host.poll_event().is_some() {}
        self.effects = self.effects.after(&effects);
        for effect in effects {
            self.carry_out(effect);
        }
    }

    /// Fires the deadlines of the next seconds.
    pub(crate) fn run_for_seconds(&mut self, seconds: u64) {
        let end = self.now + seconds * 1_000_000_000;
        while let Some((at, ..)) = self.host.poll_timeout().filter(|(at, ..)| at.as_nanos() < end) {
            self.now = self.now.max(at.as_nanos());
            self.feed(Input::Timer);
        }
        self.now = end;
    }

    pub(crate) fn command(&mut self) -> CommandId {
        self.commands += 1;
        CommandId(self.commands)
    }

    pub(crate) fn ask(&mut self, pool: PoolUid) {
        let command = self.command();
        self.feed(Input::LeaseAsk {
            command,
            correlation: Correlation([1, command.0]),
            pool,
            holder: Holder([1, 2]),
            priority: Priority::Interactive,
            ttl: None,
        });
    }

    pub(crate) fn end(&mut self) {
        let lease = self.leases.remove(0);
        let command = self.command();
        self.feed(Input::LeaseEnd { command, lease });
    }

    fn carry_out(&mut self, effect: Effect) {
        let (effect, result) = match effect {
            Effect::CheckRelease { id, .. } => (id, Completion::Released(ReleaseAnswer::Free)),
            Effect::CollectEvidence { id, .. } => (id, Completion::Evidence(Box::default())),
            Effect::Preflight { id, .. } => {
                (id, Completion::Preflighted(Ok(Preflight { stamp: Some(ModelStamp(1)), fetch: false })))
            }
            Effect::Probe { id, .. } => (id, Completion::Probed(ProbeAnswer::Healthy)),
            Effect::RemoveFile { id, .. } | Effect::WriteFile { id, .. } => {
                (id, Completion::FileDone(Ok(())))
            }
            Effect::Spawn { id, .. } => (id, Completion::Spawned(Ok(Spawned { pid: 4242 }))),
            Effect::Stage { id, .. } => (id, Completion::Staged(Ok(ModelStamp(1)))),
            Effect::Reply { answer, .. } => {
                if let Answer::Granted { lease, .. } = *answer {
                    self.leases.push(lease);
                }
                return;
            }
            Effect::Signal { engine, .. } => {
                return self.feed(Input::Exited { engine, status: ExitStatus::Signal(15) });
            }
            Effect::CancelStage { .. } | Effect::Exit => return,
        };
        self.complete(effect, result);
    }

    fn complete(&mut self, effect: EffectId, result: Completion) {
        self.feed(Input::Completed { effect, result });
    }
}
