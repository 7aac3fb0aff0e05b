//! The door: every request passes here. Gives it a correlation id, refuses what a browser was tricked
//! into sending, checks the token, and logs what changed something.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pool_manager_core::Correlation;

use super::Shared;
use super::correlation::hex;
use super::fields::is_token;
use super::problem::Problem;
use super::tokens::Access;

/// Which `Host` headers are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Every one: for a listener that others reach, where the token protects.
    Any,
    /// `localhost` and addresses of the loopback network: a web page whose name was pointed at this
    /// machine (DNS rebinding) cannot reach a listener on loopback.
    Loopback,
}

/// The correlation id of the request at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correlated(pub(super) Correlation);

const CORRELATION_ID: &str = "x-correlation-id";

pub(super) async fn admit(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let (correlation, echo, unusable) = correlate(&shared, request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let refused = match unusable {
        Some(problem) => Err(problem),
        None => check(&shared, &request),
    };
    let mut response = match refused {
        Err(problem) => problem.into_response(),
        Ok(()) => {
            request.extensions_mut().insert(Correlated(correlation));
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    if let Ok(echo) = HeaderValue::from_str(&echo) {
        headers.insert(CORRELATION_ID, echo);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (status, correlation_id) = (response.status().as_u16(), hex(correlation.0));
    // Leases come and go by the thousand; what is done to a pool is worth a line each.
    let routine = is_safe(&method) || path.starts_with("/v1/leases/") || path.ends_with("/leases");
    if routine && status < 500 {
        tracing::debug!(%method, path, status, correlation_id, "request");
    } else {
        tracing::info!(%method, path, status, correlation_id, "request");
    }
    response
}

/// The request's correlation id and how it is echoed; a problem, when it brought an unusable one.
fn correlate(shared: &Shared, headers: &HeaderMap) -> (Correlation, String, Option<Problem>) {
    match headers.get(CORRELATION_ID).map(HeaderValue::to_str) {
        Some(Ok(text)) if is_token(text) => (shared.names.correlation(text), text.to_owned(), None),
        brought => {
            let made = shared.names.make();
            let unusable = brought.is_some().then(|| {
                Problem::field("X-Correlation-Id", "1 to 64 printable ASCII characters are accepted")
            });
            (made, hex(made.0), unusable)
        }
    }
}

fn check(shared: &Shared, request: &Request) -> Result<(), Problem> {
    check_host(shared.api.hosts, request)?;
    check_origin(request)?;
    check_token(shared, request)
}

fn check_host(hosts: Hosts, request: &Request) -> Result<(), Problem> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    match hosts {
        Hosts::Any => Ok(()),
        Hosts::Loopback if host.is_some_and(is_loopback) => Ok(()),
        Hosts::Loopback => {
            let detail =
                "this listener is on loopback and answers only for the hosts localhost, 127.0.0.1 and [::1]";
            Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", "Wrong host", detail))
        }
    }
}

/// A browser says where a request comes from; what changes something must not come from a web page.
fn check_origin(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let own = origin.split_once("://").map(|(_, host)| host) == text(header::HOST);
    if own || is_safe(request.method()) {
        return Ok(());
    }
    let detail = "a web page of another origin may not change anything here";
    Err(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "Foreign origin", detail))
}

fn check_token(shared: &Shared, request: &Request) -> Result<(), Problem> {
    let needed = if request.uri().path() == "/health" && is_safe(request.method()) {
        Access::Nothing
    } else if is_safe(request.method()) {
        Access::Read
    } else {
        Access::Admin
    };
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let access = shared.api.tokens.access(authorization);
    if access >= needed {
        return Ok(());
    }
    Err(match access {
        Access::Nothing => {
            let detail =
                "a token is needed: send `Authorization: Bearer <token>` (`poolctl --token-file FILE`)";
            Problem::new(StatusCode::UNAUTHORIZED, "no-token", "Token needed", detail)
        }
        Access::Read | Access::Admin => {
            let detail = "the read-only token does not allow this; the admin token does";
            Problem::new(StatusCode::FORBIDDEN, "read-only-token", "Read-only token", detail)
        }
    })
}

fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Whether a `Host` header, with or without a port, names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_address = address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["localhost", "LOCALHOST:7070", "127.0.0.1", "127.0.0.1:1", "127.8.8.8", "[::1]", "[::1]:7070"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:80", "10.0.0.1:7070", "127.0.0.1.evil:80", ":7070"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
