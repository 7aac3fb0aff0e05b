//! A small file server on a loopback port that misbehaves as told, one request after the other.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

/// What the server has; a plan may change it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) content: Vec<u8>,
    pub(crate) etag: Option<&'static str>,
}

/// What is done with one request. When the plan is empty, it is served.
#[derive(Clone)]
pub(crate) enum Step {
    /// Becomes another site, then serves.
    Change(Site),
    /// Says this length, and sends nothing.
    ClaimLength(u64),
    /// Closes the connection after so many bytes of the body.
    CutAfter(usize),
    /// Becomes another site, and sends the part that is asked for as if it had not.
    ChangeUnsaid(Site),
    /// Sends so many bytes of the body, and no more until the client hangs up.
    FallSilentAfter(usize),
    /// Sends so many bytes of the body, and the rest when the test lets it go.
    HoldAfter(usize),
    /// Sends so many bytes of the body, then a byte a millisecond for as long as somebody takes them.
    Trickle(usize),
    /// Sends everything, whatever part is asked for, without saying how much it is.
    NoLength,
    /// Says no length, and closes the connection after so many bytes of the body.
    NoLengthCutAfter(usize),
    /// Sends everything in one chunk, and the word that it is all.
    Chunked,
    /// Begins a chunk for everything, and closes the connection after so many bytes.
    ChunkedCutAfter(usize),
    /// Sends the part that is asked for, and not of how much it is a part.
    PartOfUnknown,
    /// Points elsewhere.
    Redirect(String),
    /// Answers this status.
    Status(u16),
}

/// One request that came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) authorization: Option<String>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    site: Site,
    plan: VecDeque<Step>,
    asked: Vec<Asked>,
    let_go: bool,
}

impl Server {
    pub(crate) fn new(content: &[u8], plan: &[Step]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let site = Site { content: content.to_vec(), etag: Some("\"one\"") };
        let plan = plan.iter().cloned().collect();
        let state =
            Arc::new((Mutex::new(State { site, plan, asked: Vec::new(), let_go: false }), Condvar::new()));
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.expect("a connection"), Arc::clone(&served));
                // A client that goes away in the middle is part of the tests.
                thread::spawn(move || drop(answer(stream, &state.0, &state.1)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/models/a.gguf", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// Ends every [`Step::HoldAfter`].
    pub(crate) fn let_go(&self) {
        self.state().let_go = true;
        self.state.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().expect("no test panics with it")
    }
}

/// One connection, one request: `Connection: close` keeps the plan in order.
fn answer(mut stream: TcpStream, state: &Mutex<State>, held: &Condvar) -> std::io::Result<()> {
    let asked = read_request(&stream)?;
    let (step, site) = {
        let mut state = state.lock().expect("no test panics with it");
        state.asked.push(asked.clone());
        let step = state.plan.pop_front();
        if let Some(Step::Change(site) | Step::ChangeUnsaid(site)) = &step {
            state.site = site.clone();
        }
        (step, state.site.clone())
    };
    let etag = site.etag.map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
    let first =
        asked.range.as_ref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let may_continue = matches!(step, Some(Step::ChangeUnsaid(_)))
        || asked.if_range.as_deref().is_none_or(|validator| Some(validator) == site.etag);
    let first: usize = first.filter(|_| may_continue).unwrap_or(0);
    let length = site.content.len();
    let head = match &step {
        Some(Step::Status(status)) => {
            return write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Some(Step::Redirect(to)) => {
            return write!(
                stream,
                "HTTP/1.1 302 There\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Some(Step::ClaimLength(length)) => format!("200 OK\r\nContent-Length: {length}\r\n"),
        Some(Step::NoLength | Step::NoLengthCutAfter(_)) => "200 OK\r\n".to_owned(),
        Some(Step::Chunked | Step::ChunkedCutAfter(_)) => {
            "200 OK\r\nTransfer-Encoding: chunked\r\n".to_owned()
        }
        Some(Step::PartOfUnknown) => format!(
            "206 Part\r\nContent-Range: bytes {first}-{}/*\r\nContent-Length: {}\r\n",
            length - 1,
            length - first
        ),
        _ if first > 0 && first >= length => {
            format!("416 Behind\r\nContent-Range: bytes */{length}\r\nContent-Length: 0\r\n")
        }
        _ if first > 0 => format!(
            "206 Part\r\nContent-Range: bytes {first}-{}/{length}\r\nContent-Length: {}\r\n",
            length - 1,
            length - first
        ),
        _ => format!("200 OK\r\nContent-Length: {length}\r\n"),
    };
    write!(stream, "HTTP/1.1 {head}{etag}Connection: close\r\n\r\n")?;
    let sends_all = matches!(
        step,
        Some(Step::NoLength | Step::NoLengthCutAfter(_) | Step::Chunked | Step::ChunkedCutAfter(_))
    );
    let body = if sends_all { &site.content[..] } else { &site.content[first.min(length)..] };
    match step {
        Some(Step::CutAfter(bytes) | Step::NoLengthCutAfter(bytes)) => stream.write_all(&body[..bytes]),
        Some(Step::Chunked) => {
            write!(stream, "{length:x}\r\n")?;
            stream.write_all(body)?;
            stream.write_all(b"\r\n0\r\n\r\n")
        }
        Some(Step::ChunkedCutAfter(bytes)) => {
            write!(stream, "{length:x}\r\n")?;
            stream.write_all(&body[..bytes])
        }
        Some(Step::ClaimLength(_)) => Ok(()),
        Some(Step::HoldAfter(bytes)) => {
            stream.write_all(&body[..bytes])?;
            drop(held.wait_while(state.lock().expect("no test panics with it"), |state| !state.let_go));
            stream.write_all(&body[bytes..])
        }
        Some(Step::FallSilentAfter(bytes)) => {
            stream.write_all(&body[..bytes])?;
            stream.read(&mut [0]).map(drop)
        }
        Some(Step::Trickle(bytes)) => {
            stream.write_all(&body[..bytes])?;
            for byte in &body[bytes..] {
                stream.write_all(&[*byte])?;
                thread::sleep(std::time::Duration::from_millis(1));
            }
            Ok(())
        }
        _ => stream.write_all(body),
    }
}

fn read_request(stream: &TcpStream) -> std::io::Result<Asked> {
    let mut asked = Asked::default();
    for line in BufReader::new(stream.take(64 * 1024)).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        let place = match name.to_ascii_lowercase().as_str() {
            "range" => &mut asked.range,
            "if-range" => &mut asked.if_range,
            "authorization" => &mut asked.authorization,
            _ => continue,
        };
        *place = Some(value.to_owned());
    }
    Ok(asked)
}
