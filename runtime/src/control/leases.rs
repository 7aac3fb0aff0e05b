//! Leases: ask, renew, end, list. A router holds one for each piece of work it sends to an engine.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pool_manager_core::{Answer, LeaseEnding, LeaseId, LeaseView, Priority, Refusal, Time};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::admit::Correlated;
use super::fields::{Fields, LONGEST, Segments, read_body};
use super::idempotency::{Key, Wish, reused};
use super::problem::Problem;
use super::status::seconds;
use crate::driver::LeaseAsk;

/// A lease that was granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseGranted {
    /// Ends or renews it: `/v1/leases/{id}`.
    pub id: String,
    /// The pool.
    pub pool: String,
    /// The run of the engine it is pinned to.
    pub incarnation: String,
    /// Where to send the work.
    pub engine_url: Option<String>,
    /// Until it expires unless it is renewed; `None`: it lives as long as the engine.
    pub expires_in_seconds: Option<f64>,
}

/// A lease that lives longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseRenewed {
    /// Which.
    pub id: String,
    /// Until it ends now: at its time to live or at a drain's deadline, whichever is first.
    pub expires_in_seconds: Option<f64>,
}

/// A lease that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEnded {
    /// Which.
    pub id: String,
    /// Whether it had ended before; harmless.
    pub already_ended: bool,
    /// How; `None`: it completed before, or is not among the last 1024 that did not.
    pub how: Option<LeaseEnding>,
}

/// The active leases of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseList {
    /// The pool.
    pub pool: String,
    /// Asks that wait for a slot.
    pub queued: u32,
    /// Oldest first.
    pub leases: Vec<LeaseStatus>,
}

/// One active lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Which.
    pub id: String,
    /// Who holds it: the name it gave, or its token's digits.
    pub holder: String,
    /// The queue it came through.
    pub priority: Priority,
    /// Since it was granted.
    pub granted_seconds: f64,
    /// Until it expires; `None`: it lives as long as the engine.
    pub expires_in_seconds: Option<f64>,
}

/// `POST /v1/pools/{id}/leases`: may wait in the pool's queue. A client that goes away takes its ask
/// back; nothing is awaited after the grant, so none is left behind by a client that leaves then. A client
/// that lost the answer asks again under the same `Idempotency-Key` and gets the same lease.
pub(super) async fn ask(
    State(shared): State<Arc<Shared>>,
    Segments(pool): Segments<String>,
    Extension(Correlated(correlation)): Extension<Correlated>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read_body(body, &shared.api.limits).await?;
    let fields = Fields::read(&body, &["priority", "holder", "ttl"])?;
    let holder = shared.names.holder(fields.text("holder")?.unwrap_or("unnamed"));
    let wish = Wish { holder, priority: fields.priority("priority")?, ttl: fields.span("ttl", LONGEST)? };
    let key = Key::read(&headers, &pool, "leases")?;
    let Some((spec, default_ttl)) = shared.terms(&pool).await? else {
        return Err(shared.refused(&Refusal::UnknownPool, &pool).await);
    };
    let engine_url = shared.url_of(spec);
    let claim = key.map(|key| shared.idempotency.claim(&key)).unwrap_or_default();
    let mut claim = claim.lock().await;
    if let Some((before, lease)) = *claim {
        if before != wish {
            return Err(reused());
        }
        let left = shared.left_of(lease).await?;
        return Ok(granted(lease, pool, engine_url, left));
    }
    let Wish { holder, priority, ttl } = wish;
    let ask = LeaseAsk { holder, priority, ttl, correlation };
    match shared.api.driver.lease_ask(&pool, ask).await? {
        Answer::Granted { lease, expires } => {
            *claim = Some((wish, lease));
            let left = expires.map(|_| ttl.unwrap_or(default_ttl));
            Ok(granted(lease, pool, engine_url, left))
        }
        Answer::Refused(refusal) => Err(shared.refused(&refusal, &pool).await),
        Answer::Withdrawn => Err(Problem::shutting_down()),
        Answer::Accepted { .. }
        | Answer::Done
        | Answer::LeaseEnded
        | Answer::LeaseEndedBefore { .. }
        | Answer::Registered { .. }
        | Answer::Renewed { .. } => Err(Problem::bug("a lease ask was answered like something else")),
    }
}

fn granted(lease: LeaseId, pool: String, engine_url: Option<String>, left: Option<Duration>) -> Response {
    let location = [(header::LOCATION, format!("/v1/leases/{lease}"))];
    let incarnation = lease.engine.incarnation.to_string();
    let expires_in_seconds = left.map(seconds);
    let granted = LeaseGranted { id: lease.to_string(), pool, incarnation, engine_url, expires_in_seconds };
    (StatusCode::CREATED, location, Json(granted)).into_response()
}

/// `GET /v1/pools/{id}/leases`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Segments(pool): Segments<String>,
) -> Result<Json<LeaseList>, Problem> {
    let asked = pool.clone();
    let read = shared.api.driver.read(move |host, now| {
        let view = host.view();
        let uid = view.uid_of(&asked)?;
        let queued = view.pool(uid).map_or(0, |pool| pool.leases_queued);
        Some((now, queued, view.leases(uid).collect::<Vec<_>>()))
    });
    let Some((now, queued, leases)) = read.await? else {
        return Err(shared.refused(&Refusal::UnknownPool, &pool).await);
    };
    let leases = leases.iter().map(|lease| shared.lease_status(lease, now)).collect();
    Ok(Json(LeaseList { pool, queued, leases }))
}

/// `PUT /v1/leases/{id}`: lives for `ttl` from now.
pub(super) async fn renew(
    State(shared): State<Arc<Shared>>,
    Segments(id): Segments<String>,
    body: Body,
) -> Result<Json<LeaseRenewed>, Problem> {
    let body = read_body(body, &shared.api.limits).await?;
    let ttl = Fields::read(&body, &["ttl"])?.span("ttl", LONGEST)?;
    match shared.api.driver.lease_renew(lease_id(&id)?, ttl).await? {
        Answer::Renewed { expires } => {
            let now = shared.api.driver.read(|_, now| now).await?;
            Ok(Json(LeaseRenewed { id, expires_in_seconds: expires.map(|at| seconds(at.left(now))) }))
        }
        Answer::LeaseEndedBefore { how } => {
            let how = how.map_or("completed", LeaseEnding::label);
            let detail = format!("lease `{id}` has ended ({how}) and cannot be renewed; ask for a new one");
            Err(ended(detail).with("how", how))
        }
        Answer::Refused(refusal) => Err(Problem::refused(&refusal, &id)),
        Answer::Accepted { .. }
        | Answer::Done
        | Answer::Granted { .. }
        | Answer::LeaseEnded
        | Answer::Registered { .. }
        | Answer::Withdrawn => Err(Problem::bug("a renewal was answered like something else")),
    }
}

/// `DELETE /v1/leases/{id}`: the work is done. Ending twice is harmless.
pub(super) async fn end(
    State(shared): State<Arc<Shared>>,
    Segments(id): Segments<String>,
) -> Result<Json<LeaseEnded>, Problem> {
    match shared.api.driver.lease_end(lease_id(&id)?).await? {
        Answer::LeaseEnded => {
            Ok(Json(LeaseEnded { id, already_ended: false, how: Some(LeaseEnding::Completed) }))
        }
        Answer::LeaseEndedBefore { how } => Ok(Json(LeaseEnded { id, already_ended: true, how })),
        Answer::Refused(refusal) => Err(Problem::refused(&refusal, &id)),
        Answer::Accepted { .. }
        | Answer::Done
        | Answer::Granted { .. }
        | Answer::Registered { .. }
        | Answer::Renewed { .. }
        | Answer::Withdrawn => Err(Problem::bug("the end of a lease was answered like something else")),
    }
}

impl Shared {
    /// What is left of a lease that was granted before; `None`: it lives as long as the engine.
    async fn left_of(&self, lease: LeaseId) -> Result<Option<Duration>, Problem> {
        let read = self.api.driver.read(move |host, now| {
            let found = host.view().leases(lease.engine.pool).find(|active| active.id == lease)?;
            Some(found.expires.map(|at| at.left(now)))
        });
        read.await?.ok_or_else(|| {
            let detail = format!("this key's lease `{lease}` has ended; ask for a new one under a new key");
            ended(detail)
        })
    }

    /// What a lease of a pool comes with: the engine's spec and the life of a lease that names none.
    async fn terms(&self, pool: &str) -> Result<Option<(pool_manager_core::SpecHash, Duration)>, Problem> {
        let pool = pool.to_owned();
        let read = self.api.driver.read(move |host, _| {
            let view = host.view();
            let pool = view.pool(view.uid_of(&pool)?)?;
            Some((pool.spec.hash, pool.policy.lease.ttl))
        });
        Ok(read.await?)
    }

    fn lease_status(&self, lease: &LeaseView, now: Time) -> LeaseStatus {
        LeaseStatus {
            id: lease.id.to_string(),
            holder: self.names.shown(lease.holder.0),
            priority: lease.priority,
            granted_seconds: seconds(now.since(lease.granted)),
            expires_in_seconds: lease.expires.map(|at| seconds(at.left(now))),
        }
    }
}

fn ended(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "lease-ended", "Lease ended", detail)
}

fn lease_id(text: &str) -> Result<LeaseId, Problem> {
    text.parse().map_err(|_| Problem::unknown_lease(text))
}
