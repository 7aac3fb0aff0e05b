//! HTTP to the daemon, and what can go wrong with it, in words that say what to do next.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use pool_manager::control::{Problem, TokenError, read_token};
use serde::de::DeserializeOwned;
use ureq::http::{Response, header};
use ureq::{Agent, Body, BodyReader};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It ended otherwise than asked; says how.
    Ended(String),
    /// Whoever reads our output has closed it.
    EnoughSeen,
    /// The daemon said no.
    Refused(Box<Problem>),
    /// The token cannot be used.
    Token(TokenError),
    /// The daemon did not answer, or not as it should.
    Unreachable { url: String, why: String },
    /// The command line asks for something that cannot be.
    Usage(String),
}

/// The daemon at one URL.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
}

/// Longest time to a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest time to an answer, on top of what the request itself waits for.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Longest silence of an event stream: three of its heartbeats.
const SILENT_FOR: Duration = Duration::from_secs(45);

impl Client {
    pub(crate) fn new(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") {
            let wrong =
                format!("--url {url}: a URL that begins with http:// is needed (TLS is a proxy's work)");
            return Err(Failure::Usage(wrong));
        }
        let token = token_file.map(read_token).transpose().map_err(Failure::Token)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // The daemon is named by --url; a proxy for the web is none for it.
            .proxy(None)
            .user_agent(concat!("poolctl/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_per_read(Some(SILENT_FOR))
            .build();
        Ok(Self { agent: config.into(), url, token })
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.get_within(path, Duration::ZERO)
    }

    /// A request that the daemon may take `wait` to answer.
    pub(crate) fn get_within<T: DeserializeOwned>(&self, path: &str, wait: Duration) -> Result<T, Failure> {
        let request =
            self.agent.get(self.at(path)).config().timeout_global(Some(wait + ANSWER_WITHIN)).build();
        self.read(self.authorised(request).call())
    }

    pub(crate) fn text(&self, path: &str) -> Result<String, Failure> {
        let request = self.agent.get(self.at(path)).config().timeout_global(Some(ANSWER_WITHIN)).build();
        let mut response = self.accepted(self.authorised(request).call())?;
        let log = response.body_mut().read_to_string();
        log.map_err(|error| self.unreachable(&error))
    }

    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let request = self.agent.delete(self.at(path)).config().timeout_global(Some(ANSWER_WITHIN)).build();
        self.read(self.authorised(request).call())
    }

    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, Failure> {
        let request = self.agent.post(self.at(path)).config().timeout_global(Some(ANSWER_WITHIN)).build();
        self.read(self.authorised(request).send_json(body))
    }

    /// Opens the event stream behind an event, if one is named.
    pub(crate) fn events(&self, after: Option<&str>) -> Result<BodyReader<'static>, Failure> {
        let mut request = self.authorised(self.agent.get(self.at("/v1/events")));
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        Ok(self.accepted(request.call())?.into_body().into_reader())
    }

    pub(crate) fn unreachable(&self, error: &ureq::Error) -> Failure {
        let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        let why = if matches!(error, ureq::Error::Io(error) if refused(error)) {
            "connection refused".to_owned()
        } else {
            error.to_string()
        };
        Failure::Unreachable { url: self.url.clone(), why }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
        let mut response = self.accepted(answer)?;
        response.body_mut().read_json().map_err(|error| self.unreachable(&error))
    }

    /// An answer that is a success; a problem document becomes a refusal.
    fn accepted(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let mut response = answer.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(match response.body_mut().read_json::<Problem>() {
            Ok(problem) => Failure::Refused(Box::new(problem)),
            Err(_) => {
                let why = format!("it answered {}, which is not pool-managerd's way", response.status());
                Failure::Unreachable { url: self.url.clone(), why }
            }
        })
    }
}

impl Failure {
    /// Says what went wrong, and gives the exit code that `--help` documents.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if matches!(self, Self::EnoughSeen) {
            return ExitCode::SUCCESS;
        }
        if let (true, Self::Refused(problem)) = (json, self) {
            // Whoever asked for JSON reads standard output; if it is closed, the line below is left.
            let _ = crate::show(true, problem, |problem| problem.detail.clone());
        }
        eprintln!("poolctl: {self}");
        ExitCode::from(match self {
            Self::EnoughSeen => 0,
            Self::Refused(problem) if matches!(problem.status, 401 | 403) => 4,
            Self::Ended(_) | Self::Refused(_) => 1,
            Self::Token(_) => 4,
            Self::Unreachable { .. } => 3,
            Self::Usage(_) => 2,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(how) => f.write_str(how),
            Self::EnoughSeen => Ok(()),
            Self::Refused(problem) => f.write_str(&problem.detail),
            Self::Token(error) => write!(f, "{error}"),
            Self::Unreachable { url, why } => write!(
                f,
                "cannot reach pool-managerd at {url} ({why}): is it running? \
                 start it with `pool-managerd run --demo`, or name it with --url"
            ),
            Self::Usage(wrong) => f.write_str(wrong),
        }
    }
}
