//! The engine's state: what is loaded, which slots are busy, how it misbehaves just now. Read and
//! changed by `http`, `generation`, `plan` and `signals`; all of them run on one thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::stub_engine::arguments::{Arguments, HealthMode, Milestone};
use crate::stub_engine::{log, plan};

/// One engine process.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) arguments: Arguments,
    started: Instant,
    loaded: watch::Sender<bool>,
    health: watch::Sender<HealthMode>,
    generation_hangs: watch::Sender<bool>,
    slots: Arc<Semaphore>,
    busy: Mutex<Vec<bool>>,
    waiting: AtomicU64,
    requests: AtomicU64,
    tokens: AtomicU64,
}

/// How /health is to answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthAnswer {
    Hang,
    Loading,
    Ok,
    Status(u16),
}

impl Engine {
    pub(crate) fn new(arguments: Arguments) -> Self {
        let slots = arguments.slots as usize;
        log::line(&format!("main: loading model '{}', n_slots = {slots}", arguments.model));
        Self {
            arguments,
            started: Instant::now(),
            loaded: watch::Sender::new(false),
            health: watch::Sender::new(HealthMode::Truth),
            generation_hangs: watch::Sender::new(false),
            slots: Arc::new(Semaphore::new(slots)),
            busy: Mutex::new(vec![false; slots]),
            waiting: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
        }
    }

    /// Takes as long as loading takes; then the engine is ready.
    pub(crate) async fn load(self: &Arc<Self>) {
        if self.arguments.never_ready {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(self.arguments.load_time).await;
        self.loaded.send_replace(true);
        log::line("main: model loaded");
        plan::arm(self, Milestone::Ready);
    }

    pub(crate) fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    pub(crate) fn set_health(&self, mode: HealthMode) {
        self.health.send_replace(mode);
    }

    pub(crate) fn health(&self) -> HealthAnswer {
        let mode = *self.health.borrow();
        match mode {
            HealthMode::Hang => HealthAnswer::Hang,
            HealthMode::Status(status) => HealthAnswer::Status(status),
            HealthMode::Flap { period } if self.is_odd(period) => HealthAnswer::Status(500),
            HealthMode::Flap { .. } | HealthMode::Truth if self.is_loaded() => HealthAnswer::Ok,
            HealthMode::Flap { .. } | HealthMode::Truth => HealthAnswer::Loading,
        }
    }

    /// Whether the engine is in the 2nd, 4th, … period of its life.
    fn is_odd(&self, period: Duration) -> bool {
        let period = period.max(Duration::from_millis(1));
        (self.started.elapsed().as_nanos() / period.as_nanos()) % 2 == 1
    }

    pub(crate) fn set_generation_hangs(&self, hangs: bool) {
        self.generation_hangs.send_replace(hangs);
    }

    /// Returns when generation does not hang.
    pub(crate) async fn generation_goes_on(&self) {
        let mut hangs = self.generation_hangs.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = hangs.wait_for(|hangs| !hangs).await;
    }

    /// A slot for one request, waiting for a free one; given back when dropped.
    pub(crate) async fn take_slot(self: &Arc<Self>) -> Slot {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting { engine: self };
        // The semaphore is never closed.
        let permit = Arc::clone(&self.slots).acquire_owned().await.ok();
        drop(waiting);
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let number = busy.iter().position(|busy| !busy).unwrap_or_default();
        if let Some(slot) = busy.get_mut(number) {
            *slot = true;
        }
        Slot { engine: Arc::clone(self), number, _permit: permit }
    }

    /// Which slots are busy.
    pub(crate) fn busy_slots(&self) -> Vec<bool> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that wait for a slot.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts a generation request; what is planned for it happens in here. Returns its number, from 1.
    pub(crate) fn count_request(self: &Arc<Self>) -> u64 {
        let request = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        plan::on_request(self, request);
        request
    }

    /// Counts a token that was sent; what is planned for it happens in here.
    pub(crate) fn count_token(self: &Arc<Self>) {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
        plan::on_token(self, token);
    }

    /// Tokens sent so far, over all requests.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }
}

/// One request's slot.
#[derive(Debug)]
pub(crate) struct Slot {
    engine: Arc<Engine>,
    pub(crate) number: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut busy = self.engine.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = busy.get_mut(self.number) {
            *slot = false;
        }
    }
}

/// One request that waits for a slot; counted down also when its client goes away.
struct Waiting<'a> {
    engine: &'a Engine,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.engine.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
