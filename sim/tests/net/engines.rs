//! Engines that are made up: each pool's listens on a host of its own, so that the way to its health endpoint
//! can be slow, held up or cut. The supervisor's stand-ins start and end the runs; the host serves while there
//! is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_manager_core::EngineRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use turmoil::net::{TcpListener, TcpStream};

/// From the spawn to the first healthy answer.
pub(crate) const LOAD_TIME: Duration = Duration::from_millis(700);

/// One run of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) engine: EngineRef,
    pub(crate) pid: u32,
}

/// The process of one pool, as its own host and the supervisor's know it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    run: Arc<watch::Sender<Option<Run>>>,
    /// Its machine stands still: nothing but KILL reaches it.
    frozen: Arc<AtomicBool>,
}

impl Default for Process {
    fn default() -> Self {
        Self { run: Arc::new(watch::Sender::new(None)), frozen: Arc::default() }
    }
}

impl Process {
    pub(crate) fn start(&self, run: Run) {
        self.run.send_replace(Some(run));
    }

    /// Ends the run if it still is that one.
    pub(crate) fn end(&self, engine: EngineRef) -> bool {
        self.run.send_if_modified(|run| {
            let is_that_one = run.is_some_and(|run| run.engine == engine);
            if is_that_one {
                *run = None;
            }
            is_that_one
        })
    }

    pub(crate) fn run(&self) -> Option<Run> {
        *self.run.borrow()
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }
}

/// The software of an engine's host.
pub(crate) async fn host(process: Process, port: u16) -> turmoil::Result {
    let mut run = process.run.subscribe();
    loop {
        let current = *run.wait_for(Option::is_some).await?;
        tokio::select! {
            biased;
            ended = run.wait_for(|run| *run != current) => drop(ended?),
            served = serve(port) => served?,
        }
    }
}

/// Until it is dropped, and its connections with it.
async fn serve(port: u16) -> turmoil::Result {
    let loaded = tokio::time::Instant::now() + LOAD_TIME;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(answer(stream, loaded));
    }
}

/// A peer that goes away early is none of an engine's business.
async fn answer(mut stream: TcpStream, loaded: tokio::time::Instant) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let status = if tokio::time::Instant::now() >= loaded { "200 OK" } else { "503 Service Unavailable" };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
