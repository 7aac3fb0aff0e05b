//! The one task that owns the host: takes what happened, feeds it to the core one input at a time, and
//! hands effects to the executors. Nothing else touches the host; everyone else holds a
//! [`DriverHandle`].
//!
//! A turn takes, each bounded: completions and exits, ends and renewals of leases; then due timers;
//! then commands, lease asks and reads. So a lease that ended in the deadline's own turn ended in time.

mod handle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use pool_manager_core::{
    Answer, CommandId, Effect, Event, EventKind, Host, HostConfig, Input, LeaseId, PoolUid, Time,
};
use tokio::sync::{broadcast, mpsc, oneshot};

pub use handle::{DriverGone, DriverHandle, Happening, LeaseAsk};
use handle::{LeaseNews, Request, UNKNOWN_POOL};

/// What the driver needs of the clock: one timer that is re-armed every turn.
pub trait Timer {
    /// Now, on the clock of every deadline.
    fn now(&self) -> Time;
    /// How long the machine was suspended since the last call.
    fn gap(&mut self) -> std::time::Duration;
    /// Sets the one deadline; `None`: none.
    ///
    /// # Errors
    /// What the operating system says; the driver cannot go on without its timer.
    fn arm(&mut self, at: Option<Time>) -> std::io::Result<()>;
    /// Ends when the deadline has passed.
    fn expired(&mut self) -> impl Future<Output = std::io::Result<()>> + Send;
}

/// What carries effects out. Must not block: each effect goes to a thread or task of its own.
pub trait Executors {
    /// Carries one effect out; what it leads to comes back as an input.
    fn carry_out(&mut self, effect: Effect);
    /// An observer's chance to log and count; `host` is the state after the whole input, `pool` the
    /// name of the pool the event is about.
    fn observe(&mut self, host: &Host, pool: Option<&str>, event: &Event);
}

/// The driver, ready to run.
#[derive(Debug)]
pub struct Driver<T, X> {
    host: Host,
    timer: T,
    executors: X,
    completions: mpsc::UnboundedReceiver<Input>,
    ends: mpsc::UnboundedReceiver<LeaseNews>,
    requests: mpsc::Receiver<Request>,
    replies: BTreeMap<CommandId, Waiting>,
    /// Kept until the last event about a pool, which comes after the host has forgotten it.
    names: BTreeMap<PoolUid, String>,
    happenings: broadcast::Sender<Arc<Happening>>,
    happened: u64,
    last_turn: Time,
    exiting: bool,
}

/// A caller that waits for an answer.
#[derive(Debug)]
struct Waiting {
    /// Where to send it; `None`: nobody wants it.
    reply: Option<oneshot::Sender<Answer>>,
    /// The pool asked for a lease, so that the ask can be taken back.
    asked: Option<PoolUid>,
}

/// Most messages of one kind a turn takes before it looks at the others.
const PER_TURN: usize = 256;
/// A turn this late means that the process was held up, not busy.
const STALLED_AFTER: std::time::Duration = std::time::Duration::from_secs(2);
/// Suspends shorter than this are the two clocks' own difference.
const LEAST_GAP: std::time::Duration = std::time::Duration::from_millis(10);
/// Happenings a slow reader may be behind.
const HAPPENINGS_KEPT: usize = 1024;
/// Requests that may wait for the driver; more wait with their callers.
const REQUESTS_WAITING: usize = 1024;

impl<T: Timer, X: Executors> Driver<T, X> {
    /// A driver of an empty host, and the handle to it. Completions and exits come through
    /// `completions`.
    pub fn new(
        config: HostConfig,
        seed: u64,
        timer: T,
        executors: X,
        completions: mpsc::UnboundedReceiver<Input>,
    ) -> (Self, DriverHandle) {
        let (ends_sender, ends) = mpsc::unbounded_channel();
        let (requests_sender, requests) = mpsc::channel(REQUESTS_WAITING);
        let (happenings, _) = broadcast::channel(HAPPENINGS_KEPT);
        let now = timer.now();
        let handle = DriverHandle {
            ends: ends_sender,
            requests: requests_sender,
            commands: Arc::new(AtomicU64::new(1)),
            happenings: happenings.clone(),
        };
        let driver = Self {
            host: Host::new(config, seed, now),
            timer,
            executors,
            completions,
            ends,
            requests,
            replies: BTreeMap::new(),
            names: BTreeMap::new(),
            happenings,
            happened: 0,
            last_turn: now,
            exiting: false,
        };
        (driver, handle)
    }

    /// Runs until the host has said *exit*; returns the host as it was then.
    ///
    /// # Errors
    /// The timer's: without it no deadline would ever pass.
    pub async fn run(mut self) -> std::io::Result<Host> {
        while !self.exiting {
            let armed = self.host.poll_timeout().map(|(at, ..)| at);
            self.timer.arm(armed)?;
            let first = self.wake().await?;
            self.look_at_the_clock(armed);
            self.turn(first);
        }
        Ok(self.host)
    }

    async fn wake(&mut self) -> std::io::Result<Wake> {
        tokio::select! {
            biased;
            Some(input) = self.completions.recv() => Ok(Wake::Completion(input)),
            Some(news) = self.ends.recv() => Ok(Wake::End(news)),
            expired = self.timer.expired() => expired.map(|()| Wake::Timer),
            Some(request) = self.requests.recv() => Ok(Wake::Request(request)),
        }
    }

    /// Before timers: was the machine suspended, or the process held up?
    fn look_at_the_clock(&mut self, armed: Option<Time>) {
        let now = self.timer.now();
        let by = self.timer.gap();
        if by > LEAST_GAP {
            self.feed(Input::Gap { by });
        }
        // A late timer is the only lateness that can be seen from inside.
        let late = armed.map(|at| now.since(at.max(self.last_turn))).unwrap_or_default();
        if late.saturating_sub(by) > STALLED_AFTER {
            self.feed(Input::Stalled);
        }
        self.last_turn = now;
    }

    fn turn(&mut self, first: Wake) {
        let mut request = None;
        match first {
            Wake::Completion(input) => self.feed(input),
            Wake::End(news) => self.take_lease_news(news),
            Wake::Request(first) => request = Some(first),
            Wake::Timer => {}
        }
        for _ in 0..PER_TURN {
            let Ok(input) = self.completions.try_recv() else { break };
            self.feed(input);
        }
        for _ in 0..PER_TURN {
            let Ok(news) = self.ends.try_recv() else { break };
            self.take_lease_news(news);
        }
        for _ in 0..PER_TURN {
            let now = self.timer.now();
            if self.host.poll_timeout().is_none_or(|(at, ..)| at > now) {
                break;
            }
            self.feed(Input::Timer);
        }
        if let Some(request) = request {
            self.take_request(request);
        }
        for _ in 0..PER_TURN {
            let Ok(request) = self.requests.try_recv() else { break };
            self.take_request(request);
        }
    }

    fn take_lease_news(&mut self, news: LeaseNews) {
        match news {
            LeaseNews::Abandoned { command } => {
                let asked = self.replies.get(&command).and_then(|waiting| waiting.asked);
                if let Some(pool) = asked {
                    self.feed(Input::LeaseWithdraw { pool, ask: command });
                }
            }
            LeaseNews::End { command, lease, reply } => {
                self.expect(command, reply, None);
                self.feed(Input::LeaseEnd { command, lease });
            }
            LeaseNews::Renew { command, lease, ttl, reply } => {
                self.expect(command, Some(reply), None);
                self.feed(Input::LeaseRenew { command, lease, ttl });
            }
        }
    }

    fn take_request(&mut self, request: Request) {
        match request {
            Request::Ask { command, pool, ask, reply } => {
                let Some(pool) = self.host.view().uid_of(&pool) else {
                    return answer(Some(reply), UNKNOWN_POOL);
                };
                if reply.is_closed() {
                    // It went away before its turn came; a dead ask takes no place in the queue.
                    return;
                }
                let LeaseAsk { holder, priority, ttl, correlation } = ask;
                self.expect(command, Some(reply), Some(pool));
                self.feed(Input::LeaseAsk { command, correlation, pool, holder, priority, ttl });
            }
            Request::Command { command, pool, verb, correlation, reply } => {
                let Some(pool) = self.host.view().uid_of(&pool) else {
                    return answer(Some(reply), UNKNOWN_POOL);
                };
                self.expect(command, Some(reply), None);
                self.feed(Input::Command { command, correlation, pool, verb });
            }
            Request::Read(read) => read(&self.host, self.timer.now()),
            Request::Register { command, correlation, spec, reply } => {
                self.expect(command, Some(reply), None);
                self.feed(Input::Register { command, correlation, spec });
            }
            Request::Shutdown { correlation } => self.feed(Input::Shutdown { correlation }),
        }
    }

    fn expect(&mut self, command: CommandId, reply: Option<oneshot::Sender<Answer>>, asked: Option<PoolUid>) {
        self.replies.insert(command, Waiting { reply, asked });
    }

    /// Feeds one input and drains what comes of it.
    fn feed(&mut self, input: Input) {
        self.host.handle(self.timer.now(), input);
        let mut unwanted = Vec::new();
        while let Some(effect) = self.host.poll_effect() {
            match effect {
                Effect::Exit => self.exiting = true,
                Effect::Reply { command, answer } => unwanted.extend(self.reply(command, *answer)),
                effect @ (Effect::CancelStage { .. }
                | Effect::CheckRelease { .. }
                | Effect::CollectEvidence { .. }
                | Effect::Preflight { .. }
                | Effect::Probe { .. }
                | Effect::RemoveFile { .. }
                | Effect::Signal { .. }
                | Effect::Spawn { .. }
                | Effect::Stage { .. }
                | Effect::WriteFile { .. }) => self.executors.carry_out(effect),
            }
        }
        while let Some(event) = self.host.poll_event() {
            self.publish(event);
        }
        for lease in unwanted {
            let command = CommandId(u64::MAX);
            self.feed(Input::LeaseEnd { command, lease });
        }
    }

    /// Answers a caller. A lease granted to a caller who went away comes back, to be ended.
    fn reply(&mut self, command: CommandId, answer: Answer) -> Option<LeaseId> {
        let reply = self.replies.remove(&command)?.reply?;
        match reply.send(answer) {
            Err(Answer::Granted { lease, .. }) => Some(lease),
            Ok(()) | Err(_) => None,
        }
    }

    fn publish(&mut self, event: Event) {
        if let (EventKind::Registered, Some(uid)) = (&event.kind, event.pool) {
            let name = self.host.view().pool(uid).map(|pool| pool.name.as_str().to_owned());
            self.names.insert(uid, name.unwrap_or_default());
        }
        let pool = event.pool.and_then(|uid| self.names.get(&uid).cloned());
        if let (EventKind::Deregistered, Some(uid)) = (&event.kind, event.pool) {
            self.names.remove(&uid);
        }
        self.executors.observe(&self.host, pool.as_deref(), &event);
        self.happened += 1;
        let view = self.host.view();
        let happening =
            Happening { number: self.happened, epoch: view.epoch(), version: view.version(), pool, event };
        // Nobody may be listening.
        let _ = self.happenings.send(Arc::new(happening));
    }
}

/// What ended the driver's sleep.
enum Wake {
    Completion(Input),
    End(LeaseNews),
    Request(Request),
    Timer,
}

fn answer(reply: Option<oneshot::Sender<Answer>>, answer: Answer) {
    if let Some(reply) = reply {
        // The caller may have gone away; it asked for nothing that must be undone.
        let _ = reply.send(answer);
    }
}
