//! Looking: the daemon's health, pools, why they are as they are, and metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use pool_manager_core::{Host, Refusal, SpecHash, Time};
use serde::{Deserialize, Serialize};

use crate::driver::{DriverGone, DriverHandle};
use crate::launch::Launches;

use super::Shared;
use super::fields::Segments;
use super::problem::Problem;
use super::status::{PoolStatus, seconds};
use super::why::Why;

/// How the daemon itself is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// `ok`, or `closing` when it is shutting down.
    pub status: String,
    /// The daemon's version.
    pub version: String,
    /// Which start of the supervisor this is.
    pub epoch: u32,
    /// Since this start began to serve.
    pub uptime_seconds: f64,
    /// Pools known.
    pub pools_total: usize,
    /// Pools that take work.
    pub pools_ready: usize,
    /// Whether it is shutting down.
    pub closing: bool,
}

/// Every pool, by name, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolList {
    /// Rises when a phase, health, spec or gate changes; not on lease counts.
    pub version: u64,
    /// Which start of the supervisor counts the versions.
    pub epoch: u32,
    /// The pools.
    pub pools: Vec<PoolStatus>,
}

pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Result<Json<HealthReport>, Problem> {
    let uptime_seconds = seconds(shared.started.elapsed());
    let read = shared.api.driver.read(move |host, _| {
        let view = host.view();
        HealthReport {
            status: if view.is_closing() { "closing" } else { "ok" }.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: view.epoch(),
            uptime_seconds,
            pools_total: view.pools().count(),
            pools_ready: view.pools().filter(|pool| pool.health.ready).count(),
            closing: view.is_closing(),
        }
    });
    Ok(Json(read.await?))
}

/// The exposition format of the OpenMetrics standard, which Prometheus reads.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<impl IntoResponse, Problem> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let metrics = Arc::clone(&shared.api.metrics);
    let exposition = shared.api.driver.read(move |host, _| {
        metrics.observe_view(host.view());
        metrics.encode()
    });
    Ok(([(header::CONTENT_TYPE, kind)], exposition.await?))
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<PoolList>, Problem> {
    Ok(Json(shared.pools().await?))
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Segments(pool): Segments<String>,
) -> Result<Json<PoolStatus>, Problem> {
    Ok(Json(shared.pool(&pool).await?))
}

pub(super) async fn why(
    State(shared): State<Arc<Shared>>,
    Segments(pool): Segments<String>,
) -> Result<Json<Why>, Problem> {
    Ok(Json(Why::of(&shared.pool(&pool).await?)))
}

impl PoolList {
    /// Every pool of a host, as of one moment; `launches` know where engines are reached.
    ///
    /// # Errors
    /// [`DriverGone`].
    pub async fn read(driver: &DriverHandle, launches: &Launches) -> Result<Self, DriverGone> {
        let read = driver.read(|host, now| {
            let view = host.view();
            let uids: Vec<_> = view.pools().map(|pool| pool.uid).collect();
            let pools: Vec<_> = uids.into_iter().filter_map(|uid| copy(host, uid, now)).collect();
            (view.version(), view.epoch(), pools)
        });
        let (version, epoch, pools) = read.await?;
        let pools = pools.into_iter().map(|pool| with_url(launches, pool)).collect();
        Ok(Self { version, epoch, pools })
    }
}

impl Shared {
    /// Every pool, as of one moment.
    pub(super) async fn pools(&self) -> Result<PoolList, Problem> {
        Ok(PoolList::read(&self.api.driver, &self.api.launches).await?)
    }

    /// One pool, or the problem that there is none.
    pub(super) async fn pool(&self, name: &str) -> Result<PoolStatus, Problem> {
        let asked = name.to_owned();
        let read = self
            .api
            .driver
            .read(move |host, now| host.view().uid_of(&asked).and_then(|uid| copy(host, uid, now)));
        match read.await? {
            Some(pool) => Ok(with_url(&self.api.launches, pool)),
            None => Err(self.refused(&Refusal::UnknownPool, name).await),
        }
    }

    /// Where an engine of this spec is reached.
    pub(super) fn url_of(&self, spec: SpecHash) -> Option<String> {
        self.api.launches.get(spec).and_then(|launch| launch.url.clone())
    }
}

fn with_url(launches: &Launches, (spec, pool): (SpecHash, PoolStatus)) -> PoolStatus {
    PoolStatus { url: launches.get(spec).and_then(|launch| launch.url.clone()), ..pool }
}

fn copy(host: &Host, uid: pool_manager_core::PoolUid, now: Time) -> Option<(SpecHash, PoolStatus)> {
    let view = host.view();
    view.pool(uid).map(|pool| (pool.spec.hash, PoolStatus::of(view, &pool, now)))
}
