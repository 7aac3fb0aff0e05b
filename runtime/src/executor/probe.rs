//! Asks an engine whether it is healthy. The driver calls [`Prober::start`] for every probe effect;
//! the simulator runs the same code over its own [`Network`].
//!
//! Every probe ends by its time-out, whatever the engine does, and is answered exactly once.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use pool_manager_core::{Completion, EffectId, EngineRef, Incarnation, PoolUid, ProbeAnswer, ProbeKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::executor::Completions;
use crate::launch::Endpoint;

/// Most that is read of an answer's head, and again of its body. What a health endpoint says fits
/// many times over; an engine that sends without end must not fill our memory.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024;

/// The host's network as a probe needs it.
pub trait Network: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin;

    /// Connects to a port of this host.
    fn connect(&self, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Who listens on a port of this host, seen from the engine whose first process is `engine_pid`.
    fn listener(&self, port: u16, engine_pid: u32) -> impl Future<Output = Listener> + Send;
}

/// Who listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Nobody any more, or nobody that can be seen.
    Nobody,
    /// Only processes of the engine.
    Ours,
    /// A process that is not the engine's, perhaps beside it.
    Stranger,
}

/// The real network: TCP on 127.0.0.1, and the kernel's own tables.
#[derive(Clone, Debug)]
pub struct Loopback<F> {
    listener: F,
}

impl<F: Fn(u16, u32) -> Listener + Clone + Send + Sync + 'static> Loopback<F> {
    /// `listener` looks up who listens, from port and engine pid. It may block; it is called on a
    /// thread for such things.
    pub const fn new(listener: F) -> Self {
        Self { listener }
    }
}

impl<F: Fn(u16, u32) -> Listener + Clone + Send + Sync + 'static> Network for Loopback<F> {
    type Stream = TcpStream;

    async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await
    }

    async fn listener(&self, port: u16, engine_pid: u32) -> Listener {
        let look_up = self.listener.clone();
        // A look-up that failed to run has seen nobody.
        tokio::task::spawn_blocking(move || look_up(port, engine_pid)).await.unwrap_or(Listener::Nobody)
    }
}

/// One probe to be made.
#[derive(Clone, Debug)]
pub struct Question {
    /// Completed by `Probed`.
    pub id: EffectId,
    /// Which engine.
    pub engine: EngineRef,
    /// Its first process.
    pub engine_pid: u32,
    /// Where to ask.
    pub endpoint: Endpoint,
    /// What the probe is part of.
    pub kind: ProbeKind,
    /// Longest time until the answer.
    pub timeout: Duration,
}

/// Makes probes, each in a task of its own.
#[derive(Debug)]
pub struct Prober<N> {
    network: Arc<N>,
    completions: Completions,
    failed: FailedLiveness,
}

impl<N: Network> Prober<N> {
    /// A prober for this network.
    #[must_use]
    pub fn new(network: N, completions: Completions) -> Self {
        Self { network: Arc::new(network), completions, failed: FailedLiveness::default() }
    }

    /// Asks, and completes the effect by the question's time-out. Called inside a tokio runtime.
    pub fn start(&self, question: Question) {
        let network = Arc::clone(&self.network);
        let completions = self.completions.clone();
        let failed = self.failed.clone();
        tokio::spawn(async move {
            let Question { id, engine, engine_pid, endpoint, kind, timeout } = question;
            // The look-up of the listener reads many files of /proc. A stranger cannot take over a
            // port while the engine answers, so it is made only where an answer is news.
            let is_news = match kind {
                ProbeKind::Readiness => true,
                ProbeKind::Liveness => failed.contains(engine),
            };
            let verify = is_news.then_some(engine_pid);
            let answer = probe(&*network, &endpoint, verify, timeout).await;
            if kind == ProbeKind::Liveness {
                failed.record(engine, answer != ProbeAnswer::Healthy);
            }
            completions.completed(id, Completion::Probed(answer));
        });
    }
}

/// Asks once and says what came of it, by `timeout` at the latest. `verify` is the pid of the engine
/// that a healthy answer must come from; `None`: whoever answers will do.
pub async fn probe<N: Network>(
    network: &N,
    endpoint: &Endpoint,
    verify: Option<u32>,
    timeout: Duration,
) -> ProbeAnswer {
    let whole = async {
        let (port, answer) = match endpoint {
            Endpoint::None => return ProbeAnswer::Healthy,
            Endpoint::Tcp { port } => (*port, connects(network, *port).await),
            Endpoint::Http { port, path } => (*port, answers(network, *port, path).await),
        };
        match (answer, verify) {
            (ProbeAnswer::Healthy, Some(pid)) => match network.listener(port, pid).await {
                Listener::Ours => ProbeAnswer::Healthy,
                Listener::Stranger => ProbeAnswer::Stranger,
                Listener::Nobody => ProbeAnswer::Refused,
            },
            (answer, _) => answer,
        }
    };
    tokio::time::timeout(timeout, whole).await.unwrap_or(ProbeAnswer::TimedOut)
}

/// Pools whose engine failed its last liveness probe. One entry a pool, so it does not grow with restarts.
#[derive(Clone, Debug, Default)]
struct FailedLiveness(Arc<Mutex<BTreeMap<PoolUid, Incarnation>>>);

impl FailedLiveness {
    fn contains(&self, engine: EngineRef) -> bool {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(&engine.pool) == Some(&engine.incarnation)
    }

    fn record(&self, engine: EngineRef, has_failed: bool) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if has_failed {
            failed.insert(engine.pool, engine.incarnation);
        } else {
            failed.remove(&engine.pool);
        }
    }
}

async fn connects<N: Network>(network: &N, port: u16) -> ProbeAnswer {
    match network.connect(port).await {
        Ok(_) => ProbeAnswer::Healthy,
        Err(error) => answer_to_failed_connect(&error),
    }
}

async fn answers<N: Network>(network: &N, port: u16, path: &str) -> ProbeAnswer {
    let stream = match network.connect(port).await {
        Ok(stream) => stream,
        Err(error) => return answer_to_failed_connect(&error),
    };
    match exchange(stream, port, path).await {
        Ok(StatusCode::OK) => ProbeAnswer::Healthy,
        Ok(StatusCode::SERVICE_UNAVAILABLE) => ProbeAnswer::Loading,
        Ok(status) | Err(NoAnswer::Torn(status)) => ProbeAnswer::Unhealthy { status: status.as_u16() },
        Err(NoAnswer::NotHttp) => ProbeAnswer::Unhealthy { status: 0 },
    }
}

fn answer_to_failed_connect(error: &io::Error) -> ProbeAnswer {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if error.kind() == ConnectionRefused {
        ProbeAnswer::Refused
    } else if matches!(error.kind(), ConnectionReset | ConnectionAborted) {
        ProbeAnswer::Unhealthy { status: 0 }
    } else {
        // Our own shortage of descriptors, ports or memory: no answer was to be had, and the engine
        // has said nothing.
        tracing::warn!(%error, "a probe could not connect");
        ProbeAnswer::TimedOut
    }
}

/// Why there is no whole answer.
enum NoAnswer {
    /// What came is not HTTP, or nothing came before the end of the connection.
    NotHttp,
    /// The connection broke in the body of an answer with this status.
    Torn(StatusCode),
}

/// One request over one connection. All of it lives in this future: dropping it at the time-out
/// closes the connection and leaves no task behind.
async fn exchange<S>(stream: S, port: u16, path: &str) -> Result<StatusCode, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let request = Request::get(path)
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| NoAnswer::NotHttp)?;
    // Parsing is not interrupted by the time-out, so what there is to parse must be bounded as well:
    // a server may send interim answers (100 Continue) as fast as it can.
    let (read, write) = tokio::io::split(stream);
    let bounded = tokio::io::join(read.take(2 * ANSWER_LIMIT_BYTES as u64), write);
    let mut client = http1::Builder::new();
    client.max_buf_size(ANSWER_LIMIT_BYTES);
    let (mut sender, connection) =
        client.handshake(TokioIo::new(bounded)).await.map_err(|_| NoAnswer::NotHttp)?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async move {
        let response = sender.send_request(request).await.map_err(|_| NoAnswer::NotHttp)?;
        read_to_end(response).await
    });
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection ended, well or not; what it has received is still to be read.
        _ = &mut connection => answer.await,
    }
}

/// The status, once the body has come whole or has passed the limit; its text does not matter.
async fn read_to_end(response: Response<Incoming>) -> Result<StatusCode, NoAnswer> {
    let (status, mut body) = (response.status(), response.into_body());
    let mut received = 0;
    while received < ANSWER_LIMIT_BYTES {
        match body.frame().await {
            None => break,
            Some(Ok(frame)) => received += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) => return Err(NoAnswer::Torn(status)),
        }
    }
    Ok(status)
}
