//! An HTTP client as routers have them: keeps its connection, has its own patience, and says of every request
//! what came of it.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::JoinSet;
use turmoil::net::TcpStream;

use crate::log::{Log, now};
use crate::supervisor::{API_PORT, SUPERVISOR};

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: String,
    /// Longest time for the whole.
    pub(crate) patience: Duration,
    /// Hangs up so long after the request was sent, answered or not.
    pub(crate) hasty: Option<Duration>,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, "")
    }

    pub(crate) fn new(method: &'static str, path: impl Into<String>, body: impl Into<String>) -> Self {
        let patience = Duration::from_secs(5);
        Self { method, path: path.into(), key: None, body: body.into(), patience, hasty: None }
    }

    pub(crate) fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn hasty(self, hasty: Option<Duration>) -> Self {
        Self { hasty, ..self }
    }
}

/// An answer that came whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
    /// Between these two moments the supervisor did what it says.
    pub(crate) sent: Duration,
    pub(crate) received: Duration,
}

impl Answer {
    pub(crate) fn text(&self, field: &str) -> String {
        self.json[field].as_str().unwrap_or_default().to_owned()
    }
}

/// Why there is no answer: nobody knows whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nobody took the connection.
    Connect,
    /// The connection broke.
    Torn,
    /// It took too long; the connection was closed.
    Patience,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Torn => "torn",
            Self::Patience => "out of patience",
        })
    }
}

pub(crate) struct Caller {
    name: String,
    log: Log,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// The connection's own task; gone with it.
    task: JoinSet<()>,
    asked: u64,
}

impl Caller {
    pub(crate) fn new(name: &str, log: Log) -> Self {
        Self { name: name.to_owned(), log, connection: None, task: JoinSet::new(), asked: 0 }
    }

    /// Closes the connection that was kept.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
        self.task = JoinSet::new();
    }

    /// Asks once, and logs the request and what came of it.
    pub(crate) async fn send(&mut self, ask: &Ask) -> Result<Answer, Broken> {
        self.asked += 1;
        let number = self.asked;
        let Ask { method, path, key, body, patience, .. } = ask;
        let key = key.as_ref().map(|key| format!(" key={key}")).unwrap_or_default();
        self.log.say(&self.name, format_args!("#{number} {method} {path}{key} {body}"));
        let sent = now();
        let whole = tokio::time::timeout(*patience, self.exchange(ask)).await;
        let answer = whole.unwrap_or(Err(Broken::Patience));
        match answer {
            Ok((status, text)) => {
                self.log.say(&self.name, format_args!("#{number} {status} {text}"));
                let json = serde_json::from_str(&text).unwrap_or(Value::Null);
                Ok(Answer { status, json, sent, received: now() })
            }
            Err(broken) => {
                self.log.say(&self.name, format_args!("#{number} {broken}"));
                self.hang_up();
                Err(broken)
            }
        }
    }

    /// Opens an answer that goes on, such as the event stream; its connection ends with this caller's next
    /// [`Self::hang_up`].
    pub(crate) async fn open(
        &mut self,
        path: &str,
        last_seen: Option<&str>,
    ) -> Result<Response<Incoming>, Broken> {
        let mut request = Request::get(path).header("host", SUPERVISOR);
        if let Some(id) = last_seen {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Full::default()).expect("a request of ours is well formed");
        self.connect().await?.send_request(request).await.map_err(|_| Broken::Torn)
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<(u16, String), Broken> {
        let mut request = Request::builder().method(ask.method).uri(&ask.path).header("host", SUPERVISOR);
        if let Some(key) = &ask.key {
            request = request.header("idempotency-key", key);
        }
        let body = Full::from(ask.body.clone());
        let request = request.body(body).expect("a request of ours is well formed");
        let connection = self.connect().await?;
        let answered = async {
            let response = connection.send_request(request).await.map_err(|_| Broken::Torn)?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map_err(|_| Broken::Torn)?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        match ask.hasty {
            Some(hasty) => tokio::time::timeout(hasty, answered).await.unwrap_or(Err(Broken::Patience)),
            None => answered.await,
        }
    }

    /// The connection that is kept, if it still stands, or a new one.
    async fn connect(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Broken> {
        let kept = match self.connection.take() {
            Some(mut kept) => kept.ready().await.is_ok().then_some(kept),
            None => None,
        };
        let connection = match kept {
            Some(kept) => kept,
            None => {
                self.task = JoinSet::new();
                let stream = TcpStream::connect((SUPERVISOR, API_PORT)).await.map_err(|_| Broken::Connect)?;
                let (sender, connection) =
                    handshake(TokioIo::new(stream)).await.map_err(|_| Broken::Connect)?;
                self.task.spawn(async { drop(connection.await) });
                sender
            }
        };
        Ok(self.connection.insert(connection))
    }
}
