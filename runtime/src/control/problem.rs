//! Refusals and mistakes as RFC 9457 problem documents: what is wrong, where, and what to do next.
//! Every answer that is not a success is one of these.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use pool_manager_core::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::status::seconds;
use super::words::brief;
use crate::driver::DriverGone;

/// A problem document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name for programs: `urn:pool-manager:problem:<name>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence in words: what is wrong and what to do next.
    pub detail: String,
    /// What programs may want besides: `pool`, `field`, `nearest`, `retry_after_seconds` …
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, name: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:pool-manager:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            members: Map::new(),
        }
    }

    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Sets the `Retry-After` header too: whole seconds, rounded up, at least 1.
    pub(super) fn retry_after(self, wait: Duration) -> Self {
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with("retry_after_seconds", whole.max(1))
    }

    /// A field of a body, a query or a header that cannot be used.
    pub(super) fn field(field: &str, detail: impl fmt::Display) -> Self {
        let detail = format!("`{field}`: {detail}");
        Self::new(StatusCode::BAD_REQUEST, "invalid-field", "Invalid field", detail).with("field", field)
    }

    pub(super) fn unknown_pool(pool: &str, nearest: Option<&str>) -> Self {
        let pool = shortened(pool);
        let hint = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "GET /v1/pools (`poolctl status`) lists the pools".to_owned(),
        };
        let detail = format!("there is no pool `{pool}`; {hint}");
        let problem =
            Self::new(StatusCode::NOT_FOUND, "unknown-pool", "Unknown pool", detail).with("pool", pool);
        match nearest {
            Some(nearest) => problem.with("nearest", nearest),
            None => problem,
        }
    }

    pub(super) fn unknown_lease(lease: &str) -> Self {
        let lease = shortened(lease);
        let detail = format!(
            "no lease `{lease}` was ever granted here; an id has the form <pool>-<epoch>-<n>-<sequence>"
        );
        Self::new(StatusCode::NOT_FOUND, "unknown-lease", "Unknown lease", detail).with("lease", lease)
    }

    /// The core's refusal, in words.
    pub(super) fn refused(refusal: &Refusal, pool: &str) -> Self {
        let conflict = |name, title, detail: String| Self::new(StatusCode::CONFLICT, name, title, detail);
        let wait = |wait: &Duration| brief(seconds(*wait));
        let problem = match refusal {
            Refusal::Busy { with } => {
                let with = with.label();
                let detail = format!(
                    "pool `{pool}` is busy with {with}, which comes first; try again when it has ended"
                );
                conflict("busy", "Busy", detail).with("operation", with)
            }
            Refusal::CircuitOpen { retry_after } => {
                let detail = format!(
                    "a circuit of pool `{pool}` is open after too many failures in a row: the first trial starts by itself in {}; `poolctl allow-restart {pool}` lets one start pass now, `poolctl reset-breaker {pool}` closes the circuits, `poolctl reload {pool} --model …` gives it another model",
                    wait(retry_after)
                );
                conflict("circuit-open", "Circuit open", detail).retry_after(*retry_after)
            }
            Refusal::Draining { retry_after } => {
                let detail = format!(
                    "pool `{pool}` is draining and takes no new work; its drain ends in {} at the latest",
                    wait(retry_after)
                );
                conflict("draining", "Draining", detail).retry_after(*retry_after)
            }
            Refusal::Full { retry_after } => {
                let detail = format!(
                    "every slot of pool `{pool}` is taken and so is its queue, or the wait in it was too long; try again or ask another pool"
                );
                Self::new(StatusCode::TOO_MANY_REQUESTS, "full", "Full", detail).retry_after(*retry_after)
            }
            Refusal::NameTaken { by } => {
                let detail = format!(
                    "a pool of the name `{pool}` is registered already (number {by}); choose another name"
                );
                conflict("name-taken", "Name taken", detail)
            }
            Refusal::NoPrevious => {
                let detail = format!(
                    "pool `{pool}` has not been given another model yet, so there is none to go back to"
                );
                conflict("no-previous", "No previous model", detail)
            }
            Refusal::NotDraining => {
                let detail = format!("pool `{pool}` is not draining, so there is nothing to take back");
                conflict("not-draining", "Not draining", detail)
            }
            Refusal::NotReady { phase, retry_after } => {
                let phase = phase.label();
                let detail = format!(
                    "pool `{pool}` is not ready, it is {phase}; GET /v1/pools/{pool}/why (`poolctl why {pool}`) says why"
                );
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready", detail)
                    .with("phase", phase)
                    .retry_after(*retry_after)
            }
            Refusal::NotWanted => {
                let detail = format!(
                    "no engine of pool `{pool}` is wanted, so there is no restart to allow; preload it instead"
                );
                conflict("not-wanted", "Not wanted", detail)
            }
            Refusal::PortTaken { port, by } => {
                let detail =
                    format!("port {port} is used by another pool (number {by}); choose another port");
                conflict("port-taken", "Port taken", detail).with("port", *port)
            }
            Refusal::Reloading { retry_after } => {
                let detail = format!(
                    "pool `{pool}` is being given another engine; it should be ready in about {}",
                    wait(retry_after)
                );
                conflict("reloading", "Reloading", detail).retry_after(*retry_after)
            }
            Refusal::ShuttingDown => Self::shutting_down(),
            Refusal::TooLate => {
                let detail = format!(
                    "the engine of pool `{pool}` has been told to end, so the drain cannot be taken back; preload it when it has stopped"
                );
                conflict("too-late", "Too late", detail)
            }
            Refusal::UnknownLease => return Self::unknown_lease(pool),
            Refusal::UnknownPool => return Self::unknown_pool(pool, None),
        };
        problem.with("pool", pool)
    }

    pub(super) fn shutting_down() -> Self {
        let detail = "the supervisor is shutting down; ask another host, or this one when it is back";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", "Shutting down", detail)
            .retry_after(BACK_IN)
    }

    /// An answer of the core that does not fit the question: a bug, said aloud.
    pub(super) fn bug(what: &str) -> Self {
        tracing::error!(what, "the core gave an answer that does not fit the question");
        let detail = format!("{what}; this is a bug of pool-managerd, please report it");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", "Internal error", detail)
    }
}

/// A guess: how soon a supervisor that goes down may be back.
const BACK_IN: Duration = Duration::from_secs(5);

/// What is served, for whoever asked for something else.
const PATHS: &str = "GET /health, GET /metrics, GET /v1/pools, GET|DELETE /v1/pools/{id}, \
     GET /v1/pools/{id}/{why|logs|leases}, POST /v1/pools/{id}/{preload|drain|undrain|reload|stop|restart|allow-restart|reset-breaker|leases}, \
     PUT|DELETE /v1/leases/{id}, GET /v1/operations/{id}, GET /v1/events";

pub(super) async fn unknown_path(uri: Uri) -> Problem {
    let detail = format!("nothing is served at {}; known are {PATHS}", shortened(uri.path()));
    Problem::new(StatusCode::NOT_FOUND, "unknown-path", "Unknown path", detail)
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} is not for {}; known are {PATHS}", shortened(uri.path()));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "Method not allowed", detail)
}

/// Text of a caller, cut to what a message can carry.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

impl From<DriverGone> for Problem {
    fn from(DriverGone: DriverGone) -> Self {
        Self::shutting_down()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.members.get("retry_after_seconds").and_then(Value::as_u64);
        // A struct of strings and JSON values always serialises.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(whole_seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"pool-manager\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_rounded_up_and_at_least_one() {
        let after = |millis| {
            let refusal = Refusal::Full { retry_after: Duration::from_millis(millis) };
            let response = Problem::refused(&refusal, "a").into_response();
            response.headers().get(header::RETRY_AFTER).and_then(|text| text.to_str().ok()).map(str::to_owned)
        };
        assert_eq!(after(0).as_deref(), Some("1"));
        assert_eq!(after(1000).as_deref(), Some("1"));
        assert_eq!(after(1001).as_deref(), Some("2"));
    }

    #[test]
    fn a_problem_reads_back_with_its_members() {
        let problem = Problem::unknown_pool("lama", Some("llama"));
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
        assert!(text.contains("\"nearest\":\"llama\""), "{text}");
    }
}
