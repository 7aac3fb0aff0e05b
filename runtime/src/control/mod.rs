//! The control API: HTTP on one listener, for operators (`poolctl`), routers and orchestrators.
//!
//! The daemon builds an [`Api`] and runs [`serve`]; everything else here turns one request into one
//! call of the driver's handle. Nothing here decides: refusals come from the core and are only put
//! into words and status codes. The documents of the API are public types ([`PoolStatus`] and its
//! like), so that `poolctl` reads what the server wrote.
//!
//! Who may do what, once tokens are set: `GET /health` is open, other `GET`s need the read-only or
//! the admin token, everything else needs the admin token. Leases are *everything else*: a lease
//! takes a slot and holds a drain up, so whoever takes one changes what the host does.

mod admit;
mod correlation;
mod event_record;
mod events;
mod fields;
mod idempotency;
mod leases;
mod logs;
mod operations;
mod pools;
mod problem;
mod reload;
mod serve;
mod status;
mod tokens;
mod why;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::{any, get, put};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::driver::DriverHandle;
use crate::launch::Launches;
use crate::models::Models;
use crate::telemetry::Metrics;

pub use admit::Hosts;
pub use event_record::EventRecord;
pub use leases::{LeaseEnded, LeaseGranted, LeaseList, LeaseRenewed, LeaseStatus};
pub use operations::OperationStatus;
pub use pools::{HealthReport, PoolList};
pub use problem::Problem;
pub use serve::serve;
pub use status::{
    CircuitStatus, DrainStatus, EngineStatus, EvidenceStatus, GateStatus, HintStatus, LastErrorStatus,
    LeaseCounts, NextStatus, PoolStatus, RestartStatus, VerdictStatus,
};
pub use tokens::{TokenError, Tokens, read_token};
pub use why::{Action, Why};
pub use words::brief;

use correlation::Names;
use events::EventLog;
use idempotency::Idempotency;

/// The verbs of `POST /v1/pools/{id}/{verb}`.
pub const VERBS: [&str; 8] =
    ["preload", "drain", "undrain", "reload", "stop", "restart", "allow-restart", "reset-breaker"];

/// Longest `wait` of one `GET /v1/operations/{id}`.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the API serves and within which bounds.
#[derive(Clone)]
pub struct Api {
    /// The way to the host.
    pub driver: DriverHandle,
    /// Where engines are reached, by spec.
    pub launches: Launches,
    /// What a reload may run, by pool.
    pub models: Models,
    /// Who may do what.
    pub tokens: Tokens,
    /// What `GET /metrics` shows, once the gauges are read from the host.
    pub metrics: Arc<Metrics>,
    /// Which `Host` headers are answered.
    pub hosts: Hosts,
    /// The directory with `<pool>/<incarnation>.log`; `None`: logs are not served.
    pub logs: Option<PathBuf>,
    /// Bounds on connections, bodies and patience.
    pub limits: Limits,
    /// Makes the correlation ids of requests that bring none; random by default.
    pub correlation_seed: u64,
    /// What events say about wall time; the machine's clock by default. Decides nothing.
    pub wall_clock: fn() -> SystemTime,
}

impl Api {
    /// An API without tokens, logs and models to reload to, with metrics of its own, for callers on this machine.
    #[must_use]
    pub fn new(driver: DriverHandle, launches: Launches) -> Self {
        Self {
            driver,
            launches,
            models: Models::default(),
            tokens: Tokens::open(),
            metrics: Arc::new(Metrics::new()),
            hosts: Hosts::Loopback,
            logs: None,
            limits: Limits::default(),
            correlation_seed: correlation::random_seed(),
            wall_clock: SystemTime::now,
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, hosts, logs, limits, .. } = self;
        f.debug_struct("Api")
            .field("tokens", tokens)
            .field("hosts", hosts)
            .field("logs", logs)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

/// Bounds of the API. A client that exceeds one is refused or closed, never waited for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the listener's backlog.
    pub connections: usize,
    /// Event streams at once; more are refused.
    pub event_streams: usize,
    /// Longest time for a request's head, and longest rest of a kept-alive connection.
    pub head_within: Duration,
    /// Longest time for a request's body.
    pub body_within: Duration,
    /// Largest body of a request, in bytes.
    pub body_bytes: usize,
    /// Time between two comments on an event stream on which nothing happens.
    pub heartbeat: Duration,
    /// Time that requests in flight get when the server ends.
    pub farewell: Duration,
    /// Whether answers carry a `Date`. Off where wall time must not leak in (simulation).
    pub date_header: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            event_streams: 64,
            head_within: Duration::from_secs(10),
            body_within: Duration::from_secs(10),
            body_bytes: 64 * 1024,
            heartbeat: Duration::from_secs(15),
            farewell: Duration::from_secs(2),
            date_header: true,
        }
    }
}

/// What all requests share.
struct Shared {
    api: Api,
    events: EventLog,
    idempotency: Idempotency,
    names: Names,
    started: Instant,
    /// Turns `true` when the server ends: streams end by themselves.
    closing: watch::Sender<bool>,
    streams: Arc<tokio::sync::Semaphore>,
}

impl Shared {
    fn new(api: Api) -> Self {
        Self {
            events: EventLog::default(),
            idempotency: Idempotency::default(),
            names: Names::new(api.correlation_seed),
            started: Instant::now(),
            closing: watch::Sender::new(false),
            streams: Arc::new(tokio::sync::Semaphore::new(api.limits.event_streams)),
            api,
        }
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(pools::health))
        .route("/metrics", get(pools::metrics))
        .route("/v1/pools", get(pools::list))
        .route("/v1/pools/{id}", get(pools::show).delete(operations::deregister))
        .route("/v1/pools/{id}/why", get(pools::why))
        .route("/v1/pools/{id}/logs", get(logs::tail))
        .route("/v1/pools/{id}/leases", get(leases::list).post(leases::ask))
        .route("/v1/pools/{id}/{verb}", any(operations::verb))
        .route("/v1/leases/{id}", put(leases::renew).delete(leases::end))
        .route("/v1/operations/{id}", get(operations::show))
        .route("/v1/events", get(events::stream))
        .fallback(problem::unknown_path)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(shared), admit::admit))
        .with_state(Arc::clone(shared))
}
