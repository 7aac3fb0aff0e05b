//! The way to the driver for everyone else in the process: commands and lease asks go in, answers and
//! consistent reads come out. Used by the control API and by the daemon's own start and end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pool_manager_core::{
    Answer, CommandId, Correlation, Event, Holder, Host, LeaseId, Operation, OperationId, PoolSpec, Priority,
    Refusal, Time, Verb,
};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Clonable; the driver ends when it has exited, whatever handles are left.
#[derive(Clone, Debug)]
pub struct DriverHandle {
    pub(super) ends: mpsc::UnboundedSender<LeaseNews>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) commands: Arc<AtomicU64>,
    pub(super) happenings: broadcast::Sender<Arc<Happening>>,
}

/// The driver is gone: the process is about to exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverGone;

impl fmt::Display for DriverGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the supervisor is shutting down")
    }
}

impl std::error::Error for DriverGone {}

/// One event with what it takes to resume a stream behind it.
#[derive(Clone, Debug)]
pub struct Happening {
    /// Numbered from 1 in this epoch, without gaps.
    pub number: u64,
    /// This start of the supervisor.
    pub epoch: u32,
    /// The registry's version after it.
    pub version: u64,
    /// The pool's name, when it is about one.
    pub pool: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What a lease ask says.
#[derive(Clone, Copy, Debug)]
pub struct LeaseAsk {
    /// Who asks.
    pub holder: Holder,
    /// Which queue it waits in.
    pub priority: Priority,
    /// Life of the lease; `None`: the pool's default.
    pub ttl: Option<Duration>,
    /// Follows it through logs and events.
    pub correlation: Correlation,
}

/// A read of the host between two inputs.
pub(super) type Read = Box<dyn FnOnce(&Host, Time) + Send>;

/// News that a driver turn takes before due timers.
#[derive(Debug)]
pub(super) enum LeaseNews {
    Abandoned { command: CommandId },
    End { command: CommandId, lease: LeaseId, reply: Option<oneshot::Sender<Answer>> },
    Renew { command: CommandId, lease: LeaseId, ttl: Option<Duration>, reply: oneshot::Sender<Answer> },
}

/// What a driver turn takes after due timers.
pub(super) enum Request {
    Ask {
        command: CommandId,
        pool: String,
        ask: LeaseAsk,
        reply: oneshot::Sender<Answer>,
    },
    Command {
        command: CommandId,
        pool: String,
        verb: Verb,
        correlation: Correlation,
        reply: oneshot::Sender<Answer>,
    },
    Read(Read),
    Register {
        command: CommandId,
        correlation: Correlation,
        spec: Box<PoolSpec>,
        reply: oneshot::Sender<Answer>,
    },
    Shutdown {
        correlation: Correlation,
    },
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ask { .. } => "Ask",
            Self::Command { .. } => "Command",
            Self::Read(_) => "Read",
            Self::Register { .. } => "Register",
            Self::Shutdown { .. } => "Shutdown",
        })
    }
}

impl DriverHandle {
    /// Carries a command out on a pool, by name. The answer comes at once; an operation's outcome is
    /// asked for with [`Self::operation`].
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn command(
        &self,
        pool: &str,
        verb: Verb,
        correlation: Correlation,
    ) -> Result<Answer, DriverGone> {
        let (reply, answer) = oneshot::channel();
        let (command, pool) = (self.next_command(), pool.to_owned());
        self.request(Request::Command { command, pool, verb, correlation, reply }).await?;
        answer.await.map_err(|_| DriverGone)
    }

    /// Registers a pool.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn register(&self, spec: PoolSpec, correlation: Correlation) -> Result<Answer, DriverGone> {
        let (reply, answer) = oneshot::channel();
        let (command, spec) = (self.next_command(), Box::new(spec));
        self.request(Request::Register { command, correlation, spec, reply }).await?;
        answer.await.map_err(|_| DriverGone)
    }

    /// Asks for a lease; may wait in the pool's queue. Dropping the future takes the ask back, and
    /// ends the lease if it was granted in the same moment.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn lease_ask(&self, pool: &str, ask: LeaseAsk) -> Result<Answer, DriverGone> {
        let (reply, answer) = oneshot::channel();
        let (command, pool) = (self.next_command(), pool.to_owned());
        let mut waiting =
            WaitingAsk { ends: &self.ends, commands: &self.commands, command, answer: Some(answer) };
        self.request(Request::Ask { command, pool, ask, reply }).await?;
        waiting.answered().await
    }

    /// Ends a lease.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn lease_end(&self, lease: LeaseId) -> Result<Answer, DriverGone> {
        let (reply, answer) = oneshot::channel();
        let news = LeaseNews::End { command: self.next_command(), lease, reply: Some(reply) };
        self.ends.send(news).map_err(|_| DriverGone)?;
        answer.await.map_err(|_| DriverGone)
    }

    /// Lets a lease live longer.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn lease_renew(&self, lease: LeaseId, ttl: Option<Duration>) -> Result<Answer, DriverGone> {
        let (reply, answer) = oneshot::channel();
        let news = LeaseNews::Renew { command: self.next_command(), lease, ttl, reply };
        self.ends.send(news).map_err(|_| DriverGone)?;
        answer.await.map_err(|_| DriverGone)
    }

    /// Reads the host between two inputs: everything `read` sees belongs together. It runs on the
    /// driver, so it copies what it needs and does nothing else.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Host, Time) -> R + Send + 'static,
    ) -> Result<R, DriverGone> {
        let (reply, result) = oneshot::channel();
        let read: Read = Box::new(move |host, now| {
            // The reader may have gone away; then nobody wants to know.
            let _ = reply.send(read(host, now));
        });
        self.request(Request::Read(read)).await?;
        result.await.map_err(|_| DriverGone)
    }

    /// An operation, as soon as it has ended or `within` has passed; `None`: it was never begun, or is
    /// not among the last 1000.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn operation(
        &self,
        id: OperationId,
        within: Duration,
    ) -> Result<Option<Operation>, DriverGone> {
        // Subscribed before the first look, so that its end cannot be missed in between.
        let mut happenings = self.subscribe();
        let patience = tokio::time::sleep(within);
        tokio::pin!(patience);
        loop {
            let found = self.read(move |host, _| host.view().operation(id).cloned()).await?;
            if found.as_ref().is_none_or(|operation| operation.ended.is_some()) {
                return Ok(found);
            }
            loop {
                tokio::select! {
                    biased;
                    happening = happenings.recv() => match happening {
                        Ok(happening) if !happening.ends_operation(id) => {}
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                        Err(broadcast::error::RecvError::Closed) => return Ok(found),
                    },
                    () = &mut patience => return Ok(found),
                }
            }
        }
    }

    /// Everything that happens from now on. A reader that falls more than 1024 behind is told so.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Happening>> {
        self.happenings.subscribe()
    }

    /// Drains and stops everything; a second one kills what is left.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn shut_down(&self, correlation: Correlation) -> Result<(), DriverGone> {
        self.request(Request::Shutdown { correlation }).await
    }

    async fn request(&self, request: Request) -> Result<(), DriverGone> {
        self.requests.send(request).await.map_err(|_| DriverGone)
    }

    fn next_command(&self) -> CommandId {
        CommandId(self.commands.fetch_add(1, Ordering::Relaxed))
    }
}

impl Happening {
    fn ends_operation(&self, id: OperationId) -> bool {
        matches!(&self.event.kind, pool_manager_core::EventKind::OperationEnded { operation, .. } if *operation == id)
    }
}

/// An ask whose caller may go away at any moment.
struct WaitingAsk<'a> {
    ends: &'a mpsc::UnboundedSender<LeaseNews>,
    commands: &'a AtomicU64,
    command: CommandId,
    answer: Option<oneshot::Receiver<Answer>>,
}

impl WaitingAsk<'_> {
    async fn answered(&mut self) -> Result<Answer, DriverGone> {
        let Some(answer) = &mut self.answer else { return Err(DriverGone) };
        let answered = answer.await;
        self.answer = None;
        answered.map_err(|_| DriverGone)
    }
}

impl Drop for WaitingAsk<'_> {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        answer.close();
        let news = match answer.try_recv() {
            Ok(Answer::Granted { lease, .. }) => {
                let command = CommandId(self.commands.fetch_add(1, Ordering::Relaxed));
                LeaseNews::End { command, lease, reply: None }
            }
            _ => LeaseNews::Abandoned { command: self.command },
        };
        // The driver may be gone; then the lease is gone with it.
        let _ = self.ends.send(news);
    }
}

/// What a name that is not registered is answered.
pub(super) const UNKNOWN_POOL: Answer = Answer::Refused(Refusal::UnknownPool);
