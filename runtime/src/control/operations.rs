//! Commands on pools, and what became of them: `POST /v1/pools/{id}/{verb}`, `DELETE
//! /v1/pools/{id}` and `GET /v1/operations/{id}`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use pool_manager_core::{
    Answer, Correlation, Operation, OperationId, OperationKind, Outcome, Refusal, Time, Verb,
};
use serde::{Deserialize, Serialize};

use super::admit::Correlated;
use super::correlation::hex;
use super::fields::{Fields, LONGEST, Parameters, Segments, read_body};
use super::idempotency::{Begun, Key};
use super::problem::{Problem, shortened, unknown_path};
use super::reload;
use super::status::{VerdictStatus, seconds};
use super::words;
use super::{LONGEST_WAIT, Shared, VERBS};
use crate::launch::Reserved;

/// One operation, running or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationStatus {
    /// Its number.
    pub id: u64,
    /// What was asked.
    pub kind: OperationKind,
    /// On which pool; `None`: the pool has been forgotten.
    pub pool: Option<String>,
    /// `running`, or how it ended: `completed`, `force_stopped`, `failed` …
    pub state: String,
    /// Whether it ended as asked; `None` while it runs.
    pub succeeded: Option<bool>,
    /// In words.
    pub text: String,
    /// From its start until now or its end.
    pub took_seconds: f64,
    /// Since its end.
    pub ended_seconds: Option<f64>,
    /// The command that began it: 32 hexadecimal digits.
    pub correlation_id: String,
    /// Leases we ended.
    pub cut: Vec<String>,
    /// Leases that went with the engine.
    pub lost: Vec<String>,
    /// The higher operation that took over.
    pub superseded_by: Option<OperationKind>,
    /// Why it failed.
    pub verdict: Option<VerdictStatus>,
    /// What failed besides: the engine that was to be replaced, or the start of the old one after it.
    pub also: Option<VerdictStatus>,
}

impl OperationStatus {
    pub(super) fn of(operation: &Operation, pool: Option<&str>, now: Time) -> Self {
        let kind = operation.kind;
        let outcome = operation.ended.as_ref().map(|(_, outcome)| outcome);
        let ended_at = operation.ended.as_ref().map(|(at, _)| *at);
        let mut status = Self {
            id: operation.id.0,
            kind,
            pool: pool.map(str::to_owned),
            state: outcome.map_or("running", Outcome::label).to_owned(),
            succeeded: outcome.map(|outcome| *outcome == Outcome::Completed),
            text: outcome
                .map_or_else(|| format!("{} runs", kind.label()), |outcome| words::outcome(kind, outcome)),
            took_seconds: seconds(ended_at.unwrap_or(now).since(operation.started)),
            ended_seconds: ended_at.map(|at| seconds(now.since(at))),
            correlation_id: hex(operation.correlation.0),
            cut: Vec::new(),
            lost: Vec::new(),
            superseded_by: None,
            verdict: None,
            also: None,
        };
        match outcome {
            Some(Outcome::EngineExited { lost }) => status.lost = words::lease_ids(lost),
            Some(Outcome::Failed { verdict, also }) => {
                status.verdict = Some(verdict.as_ref().into());
                status.also = also.as_deref().map(Into::into);
            }
            Some(Outcome::ForceStopped { cut }) => status.cut = words::lease_ids(cut),
            Some(Outcome::RolledBack { verdict }) => status.verdict = Some(verdict.as_ref().into()),
            Some(Outcome::Superseded { by }) => status.superseded_by = Some(*by),
            None
            | Some(
                Outcome::Completed
                | Outcome::Interrupted
                | Outcome::Stuck
                | Outcome::TimedOut
                | Outcome::Undrained,
            ) => {}
        }
        status
    }
}

/// `POST /v1/pools/{id}/{verb}`: 202 with the operation, 200 when it has ended already; what is done at once
/// and has no operation is answered with the pool as it is then.
pub(super) async fn verb(
    State(shared): State<Arc<Shared>>,
    Segments((pool, verb)): Segments<(String, String)>,
    Extension(Correlated(correlation)): Extension<Correlated>,
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: Body,
) -> Result<Response, Problem> {
    if !VERBS.contains(&verb.as_str()) {
        return Err(if method == Method::POST { unknown_verb(&verb) } else { unknown_path(uri).await });
    }
    if method != Method::POST {
        let mut response = super::problem::wrong_method(method, uri).await.into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    }
    let body = read_body(body, &shared.api.limits).await?;
    let known: &[&str] = match verb.as_str() {
        "drain" => &["deadline"],
        "reload" => &reload::FIELDS,
        _ => &[],
    };
    let fields = Fields::read(&body, known)?;
    let key = Key::read(&headers, &pool, &verb)?;
    let mut reserved = None;
    let command = match verb.as_str() {
        "allow-restart" => Verb::AllowRestart,
        "preload" => Verb::Preload,
        "reload" => {
            let reload;
            (reload, reserved) = shared.reload(&pool, &fields).await?;
            Verb::Reload(Box::new(reload))
        }
        "reset-breaker" => Verb::ResetBreaker,
        "drain" => Verb::Drain { deadline: fields.span("deadline", LONGEST)? },
        "undrain" => Verb::Undrain,
        "stop" => Verb::Stop,
        "restart" => Verb::Restart,
        _ => return Err(unknown_verb(&verb)),
    };
    command_pool(&shared, &pool, command, correlation, (key, reserved)).await
}

/// `DELETE /v1/pools/{id}`: drained, then forgotten.
pub(super) async fn deregister(
    State(shared): State<Arc<Shared>>,
    Segments(pool): Segments<String>,
    Extension(Correlated(correlation)): Extension<Correlated>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = Key::read(&headers, &pool, "deregister")?;
    command_pool(&shared, &pool, Verb::Deregister, correlation, (key, None)).await
}

/// `GET /v1/operations/{id}?wait=30s`: as soon as it has ended, or when the wait is over.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Segments(id): Segments<String>,
    uri: Uri,
) -> Result<Json<OperationStatus>, Problem> {
    let wait = Parameters::read(uri.query(), &["wait"])?.span("wait", LONGEST_WAIT)?.unwrap_or_default();
    let number = id.parse().map_err(|_| unknown_operation(&id))?;
    let found = shared.operation(OperationId(number), None, wait).await?;
    found.map(Json).ok_or_else(|| unknown_operation(&id))
}

async fn command_pool(
    shared: &Arc<Shared>,
    pool: &str,
    verb: Verb,
    correlation: Correlation,
    (key, reserved): (Option<Key>, Option<Reserved>),
) -> Result<Response, Problem> {
    // In a task of its own: a client that goes away meanwhile must not part a command that was given from what is
    // remembered of it, which is its key, and the engine that a reload names.
    let given = tokio::spawn(give(Arc::clone(shared), pool.to_owned(), verb, correlation, key, reserved));
    let begun = match given.await {
        Ok(begun) => begun?,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => return Err(Problem::shutting_down()),
    };
    let Begun::Operation(operation) = begun else {
        return Ok(Json(shared.pool(pool).await?).into_response());
    };
    let found = shared.operation(operation, Some(pool), Duration::ZERO).await?;
    let status = found.ok_or_else(|| unknown_operation(&operation.to_string()))?;
    let code = if status.succeeded.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = [(header::LOCATION, format!("/v1/operations/{operation}"))];
    Ok((code, location, Json(status)).into_response())
}

/// Gives the command, unless its key says that it was given before.
async fn give(
    shared: Arc<Shared>,
    pool: String,
    verb: Verb,
    correlation: Correlation,
    key: Option<Key>,
    reserved: Option<Reserved>,
) -> Result<Begun, Problem> {
    let begun = match key {
        None => shared.begin(&pool, verb, correlation).await?,
        Some(key) => {
            let mut seen = shared.idempotency.seen().await;
            match seen.find(&key, &verb)? {
                Some(begun) => begun,
                None => {
                    let begun = shared.begin(&pool, verb.clone(), correlation).await?;
                    seen.keep(key, verb, begun);
                    begun
                }
            }
        }
    };
    if let Some(reserved) = reserved {
        reserved.keep();
    }
    Ok(begun)
}

impl Shared {
    async fn begin(&self, pool: &str, verb: Verb, correlation: Correlation) -> Result<Begun, Problem> {
        match self.api.driver.command(pool, verb, correlation).await? {
            Answer::Accepted { operation } => Ok(Begun::Operation(operation)),
            Answer::Done => Ok(Begun::Done),
            Answer::Refused(refusal) => Err(self.refused(&refusal, pool).await),
            Answer::Granted { .. }
            | Answer::LeaseEnded
            | Answer::LeaseEndedBefore { .. }
            | Answer::Registered { .. }
            | Answer::Renewed { .. }
            | Answer::Withdrawn => Err(Problem::bug("a command was answered like something else")),
        }
    }

    /// A refusal in words; an unknown pool with the name that was probably meant.
    pub(super) async fn refused(&self, refusal: &Refusal, pool: &str) -> Problem {
        if *refusal != Refusal::UnknownPool {
            return Problem::refused(refusal, pool);
        }
        let names = self.api.driver.read(|host, _| {
            host.view().pools().map(|pool| pool.name.as_str().to_owned()).collect::<Vec<_>>()
        });
        let names = names.await.unwrap_or_default();
        Problem::unknown_pool(pool, words::nearest(pool, names.iter().map(String::as_str)))
    }

    /// An operation as soon as it has ended, or after `within`. `pool` names it when the host has
    /// forgotten the pool.
    async fn operation(
        &self,
        id: OperationId,
        pool: Option<&str>,
        within: Duration,
    ) -> Result<Option<OperationStatus>, Problem> {
        let Some(operation) = self.api.driver.operation(id, within).await? else { return Ok(None) };
        let pool = pool.map(str::to_owned);
        let status = self.api.driver.read(move |host, now| {
            let name = host.view().pool(operation.pool).map(|pool| pool.name.as_str());
            OperationStatus::of(&operation, name.or(pool.as_deref()), now)
        });
        Ok(Some(status.await?))
    }
}

fn unknown_verb(verb: &str) -> Problem {
    let verb = shortened(verb);
    let known = VERBS.join(", ");
    let detail = match words::nearest(&verb, VERBS) {
        Some(nearest) => {
            format!("`{verb}` is no verb of a pool; did you mean `{nearest}`? Known are {known}")
        }
        None => format!("`{verb}` is no verb of a pool; known are {known}"),
    };
    Problem::new(StatusCode::NOT_FOUND, "unknown-verb", "Unknown verb", detail)
}

fn unknown_operation(id: &str) -> Problem {
    let id = shortened(id);
    let detail = format!("operation `{id}` was never begun, or is not among the last 1000 that ended");
    Problem::new(StatusCode::NOT_FOUND, "unknown-operation", "Unknown operation", detail)
}
