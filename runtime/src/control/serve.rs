//! The listener's loop: HTTP/1.1 by hyper, with bounds on connections and on patience. Takes the
//! listener as a parameter, so that it runs unchanged over a simulated network.

use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::events::record;
use super::{Api, Limits, Shared, router};

/// Serves until `shutdown` ends; then requests in flight get a last short while.
pub async fn serve<L: Listener>(mut listener: L, api: Api, shutdown: impl Future<Output = ()>) {
    let limits = api.limits.clone();
    let shared = Arc::new(Shared::new(api));
    let router = router(&shared);
    let free = Arc::new(Semaphore::new(limits.connections));
    let mut tasks = JoinSet::new();
    tasks.spawn(record(Arc::clone(&shared), shared.api.driver.subscribe()));
    let mut shutdown = pin!(shutdown);
    loop {
        // Taken before the connection is: whoever is too many waits in the listener's backlog.
        let admitted = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = tasks.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    tracing::error!("a connection of the control API panicked; it was closed");
                }
            }
            (permit, (io, _)) = admitted => {
                let connection = converse(io, router.clone(), limits.clone(), shared.closing.subscribe());
                tasks.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
        }
    }
    shared.closing.send_replace(true);
    let farewell = async { while tasks.join_next().await.is_some() {} };
    // Who is not done by then is cut off with the tasks.
    let _ = tokio::time::timeout(limits.farewell, farewell).await;
}

/// One connection, from its first request to its last.
async fn converse<Io>(io: Io, router: Router, limits: Limits, mut closing: watch::Receiver<bool>)
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_within)
            .auto_date_header(limits.date_header)
            .serve_connection(TokioIo::new(io), TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        () = async { drop(closing.wait_for(|closing| *closing).await) } => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The other side's doing, and so no news for an operator.
        tracing::debug!(%error, "a connection of the control API ended early");
    }
}
