//! What a request says: its body within bounds, its fields checked one by one, its path and query.
//! Whatever cannot be used is refused with the field's name and what would be accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use http_body_util::BodyExt;
use pool_manager_core::{OnDrainTimeout, Priority};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Limits;
use super::problem::{Problem, shortened};
use super::words::{brief, nearest};

/// Longest span anybody may ask for: deadlines and lives beyond a day are mistakes.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a whole body.
pub(super) async fn read_body(body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(limits.body_within, collect(body, limits.body_bytes));
    read.await.unwrap_or_else(|_| {
        let within = brief(limits.body_within.as_secs_f64());
        let detail = format!("the request's body did not arrive within {within}");
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-body", "Body too slow", detail))
    })
}

/// Reads on for a while beyond the limit: a client that is still writing would not read the refusal.
async fn collect(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let mut whole = Vec::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let detail = format!("the request's body broke off: {error}");
            Problem::new(StatusCode::BAD_REQUEST, "broken-body", "Broken body", detail)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        total += data.len();
        if total <= most {
            whole.extend_from_slice(&data);
        } else if total > most * 16 {
            break;
        }
    }
    if total > most {
        let detail = format!("a request's body may have {most} bytes at most");
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail);
        return Err(problem.with("limit_bytes", most));
    }
    Ok(whole.into())
}

/// The fields of a JSON object; no body at all is an empty one.
#[derive(Debug)]
pub(super) struct Fields {
    values: Map<String, Value>,
}

impl Fields {
    /// Reads an object that has only known fields.
    pub(super) fn read(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { values: Map::new() });
        }
        let malformed = |detail: String| {
            Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON", detail)
        };
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            malformed(format!("the body is not JSON: {error}"))
                .with("line", error.line())
                .with("column", error.column())
        })?;
        let Value::Object(values) = value else {
            return Err(malformed("the body must be a JSON object, such as {}".to_owned()));
        };
        for field in values.keys() {
            check_known(field, known)?;
        }
        Ok(Self { values })
    }

    /// A span: `"30s"` or a number of seconds.
    pub(super) fn span(&self, field: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => {
                bounded_span(field, number.as_f64().unwrap_or(f64::NAN), most).map(Some)
            }
            Some(Value::String(text)) => parse_span(field, text, most).map(Some),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(not_a_span(field, most)),
        }
    }

    /// Printable text of at most 64 characters.
    pub(super) fn text(&self, field: &str) -> Result<Option<&str>, Problem> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if is_token(text) => Ok(Some(text)),
            Some(_) => Err(Problem::field(field, "1 to 64 printable ASCII characters are accepted")),
        }
    }

    /// Text of at most so many bytes, without control characters.
    pub(super) fn long_text(&self, field: &str, most_bytes: usize) -> Result<Option<&str>, Problem> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text))
                if (1..=most_bytes).contains(&text.len()) && !text.chars().any(char::is_control) =>
            {
                Ok(Some(text))
            }
            Some(_) => {
                let detail =
                    format!("1 to {most_bytes} bytes of text without control characters are accepted");
                Err(Problem::field(field, detail))
            }
        }
    }

    /// `true` or `false`; not there is `false`.
    pub(super) fn flag(&self, field: &str) -> Result<bool, Problem> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(Problem::field(field, "true or false is accepted")),
        }
    }

    /// `"abort"` or `"force"`.
    pub(super) fn on_drain_timeout(&self, field: &str) -> Result<Option<OnDrainTimeout>, Problem> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text == "abort" => Ok(Some(OnDrainTimeout::Abort)),
            Some(Value::String(text)) if text == "force" => Ok(Some(OnDrainTimeout::Force)),
            Some(_) => Err(Problem::field(field, "\"abort\" or \"force\" is accepted")),
        }
    }

    /// `"interactive"` or `"batch"`.
    pub(super) fn priority(&self, field: &str) -> Result<Priority, Problem> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(Priority::default()),
            Some(Value::String(text)) if text == "interactive" => Ok(Priority::Interactive),
            Some(Value::String(text)) if text == "batch" => Ok(Priority::Batch),
            Some(_) => Err(Problem::field(field, "\"interactive\" or \"batch\" is accepted")),
        }
    }
}

/// Whether a text may stand for something in headers and logs: 1 to 64 printable ASCII characters.
pub(super) fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// A span as people write it, such as `30s` or `1h 30m`.
fn parse_span(field: &str, text: &str, most: Duration) -> Result<Duration, Problem> {
    let span = humantime::parse_duration(text.trim()).map_err(|_| not_a_span(field, most))?;
    bounded_span(field, span.as_secs_f64(), most)
}

fn bounded_span(field: &str, seconds: f64, most: Duration) -> Result<Duration, Problem> {
    if !(0.0..=most.as_secs_f64()).contains(&seconds) {
        return Err(not_a_span(field, most));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| not_a_span(field, most))
}

fn not_a_span(field: &str, most: Duration) -> Problem {
    let limit = brief(most.as_secs_f64());
    let detail =
        format!("a span such as \"30s\" or a number of seconds is accepted, from 0 to {limit} at most");
    Problem::field(field, detail).with("limit_seconds", most.as_secs())
}

fn check_known(field: &str, known: &[&str]) -> Result<(), Problem> {
    if known.contains(&field) {
        return Ok(());
    }
    let field = shortened(field);
    let accepted = if known.is_empty() { "no field".to_owned() } else { format!("`{}`", known.join("`, `")) };
    let (detail, near) = match nearest(&field, known.iter().copied()) {
        Some(near) => (format!("unknown; did you mean `{near}`?"), Some(near)),
        None => (format!("unknown; {accepted} is accepted here"), None),
    };
    let problem = Problem::field(&field, detail);
    Err(match near {
        Some(near) => problem.with("nearest", near),
        None => problem,
    })
}

/// The query's parameters, of which only known ones are accepted.
pub(super) struct Parameters {
    values: BTreeMap<String, String>,
}

impl Parameters {
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let uri = format!("/?{}", query.unwrap_or_default());
        let values = uri.parse().ok().and_then(|uri| Query::try_from_uri(&uri).ok());
        let Query(values): Query<BTreeMap<String, String>> = values
            .ok_or_else(|| Problem::field("query", "cannot be read; write it as name=value&name=value"))?;
        for name in values.keys() {
            check_known(name, known)?;
        }
        Ok(Self { values })
    }

    /// A span: `30s`, or a number of seconds.
    pub(super) fn span(&self, name: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.values.get(name) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(seconds) => bounded_span(name, seconds, most).map(Some),
            Err(_) => parse_span(name, text, most).map(Some),
        }
    }

    /// A whole number.
    pub(super) fn count(&self, name: &str, most: usize) -> Result<Option<usize>, Problem> {
        let Some(text) = self.values.get(name) else { return Ok(None) };
        let count = text.parse().ok().filter(|count| *count <= most);
        let detail = || format!("a whole number from 0 to {most} is accepted");
        count.map(Some).ok_or_else(|| Problem::field(name, detail()))
    }
}

/// The variable parts of a path.
pub(super) struct Segments<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        path.map(|Path(segments)| Self(segments))
            .map_err(|error| Problem::field("path", format_args!("cannot be read: {}", error.body_text())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn span(json: &str) -> Result<Option<Duration>, Problem> {
        Fields::read(json.as_bytes(), &["deadline"])?.span("deadline", MINUTE)
    }

    #[test]
    fn spans_are_accepted_as_people_and_programs_write_them() {
        assert_eq!(span(""), Ok(None));
        assert_eq!(span("{}"), Ok(None));
        assert_eq!(span("{\"deadline\":null}"), Ok(None));
        assert_eq!(span("{\"deadline\":\"30s\"}"), Ok(Some(Duration::from_secs(30))));
        assert_eq!(span("{\"deadline\":1.5}"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(span("{\"deadline\":60}"), Ok(Some(MINUTE)));
    }

    #[test]
    fn absurd_spans_are_refused_with_field_and_limit() {
        for json in
            ["-1", "60.001", "1e300", "\"abc\"", "\"-5s\"", "\"61s\"", "\"\"", "true", "[1]", "\"NaN\""]
        {
            let problem = span(&format!("{{\"deadline\":{json}}}")).unwrap_err();
            assert_eq!(problem.status, 400, "{json}");
            assert!(
                problem.detail.contains("`deadline`") && problem.detail.contains("1m"),
                "{json}: {problem}"
            );
        }
    }

    #[test]
    fn malformed_json_is_refused_with_its_place() {
        for json in ["{\"deadline\": NaN}", "{\"deadline\"", "[]", "nope", "{\"deadline\":1e999}"] {
            assert_eq!(span(json).unwrap_err().status, 400, "{json}");
        }
        let problem = span("{\n \"deadline\": NaN}").unwrap_err();
        assert_eq!(problem.members.get("line"), Some(&Value::from(2)));
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest_known() {
        let problem = span("{\"dedline\":1}").unwrap_err();
        assert_eq!(problem.members.get("nearest"), Some(&Value::from("deadline")));
    }

    #[test]
    fn queries_are_bounded_too() {
        let wait = |query| Parameters::read(Some(query), &["wait"])?.span("wait", MINUTE);
        assert_eq!(wait("wait=30s"), Ok(Some(Duration::from_secs(30))));
        assert_eq!(wait("wait=30"), Ok(Some(Duration::from_secs(30))));
        assert_eq!(wait("wait=-0.0"), Ok(Some(Duration::ZERO)));
        for query in ["wait=NaN", "wait=inf", "wait=61", "wait=-1", "wiat=3"] {
            assert_eq!(wait(query).unwrap_err().status, 400, "{query}");
        }
    }
}
