//! The stub engine, as a process: what it says over HTTP, how it ends, and that each misbehaviour
//! is really there. Everything else is tested with it, so it is tested first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

/// Longest wait for anything that must come; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long something that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(300);

/// A running stub engine; killed when dropped.
struct Stub {
    process: Child,
    stderr: BufReader<ChildStderr>,
    children: Vec<Pid>,
    address: SocketAddr,
}

impl Stub {
    /// Starts it on a free port and waits until the port is open.
    fn start(switches: &[&str]) -> Self {
        Self::start_on("0", switches)
    }

    fn start_on(port: &str, switches: &[&str]) -> Self {
        let (process, mut stdout, stderr) = spawn(&[&["--port", port], switches].concat());
        let mut children = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).expect("stdout"), 0, "ended before its port was open");
            if let Some(pid) = line.trim_end().strip_prefix("child ") {
                children.push(Pid::from_raw(pid.parse().expect("a pid")));
            } else {
                let address = line.trim_end().strip_prefix("listening on ").expect("the address");
                let address = address.parse().expect("an address");
                return Self { process, stderr, children, address };
            }
        }
    }

    /// Reads the log up to the first line that contains `text`; returns that line.
    fn log_line(&mut self, text: &str) -> String {
        loop {
            let mut line = Vec::new();
            let read = self.stderr.read_until(b'\n', &mut line).expect("stderr");
            assert_ne!(read, 0, "the log ended before '{text}'");
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains(text) {
                return line;
            }
        }
    }

    fn ready(switches: &[&str]) -> Self {
        let mut stub = Self::start(switches);
        stub.log_line("model loaded");
        stub
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the port is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream
    }

    /// Sends a request; the answer is to be read from the stream until its end.
    fn ask(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: stub\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("a request is taken");
        stream
    }

    fn get(&self, path: &str) -> Answer {
        Answer::read(self.ask("GET", path, ""))
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        Answer::read(self.ask("POST", path, body))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it lives");
    }

    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.process.try_wait().expect("our child") {
                Some(status) => return status,
                None => assert!(Instant::now() < until, "the engine does not end"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        for child in &self.children {
            let _ = kill(*child, Signal::SIGKILL);
        }
    }
}

fn spawn(switches: &[&str]) -> (Child, BufReader<ChildStdout>, BufReader<ChildStderr>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stub-engine"));
    command.args(switches).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the stub engine starts");
    let stdout = BufReader::new(process.stdout.take().expect("piped"));
    let stderr = BufReader::new(process.stderr.take().expect("piped"));
    (process, stdout, stderr)
}

struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer to its end");
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, text }
    }
}

/// Asserts that nothing comes over a connection for a while.
fn assert_silent(mut stream: TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).expect("a socket option");
    let error = stream.read(&mut [0]).expect_err("silence");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn loads_then_serves() {
    let mut stub = Stub::start(&["--load-time", "1s", "--model", "m7"]);
    let loading = stub.get("/health");
    assert_eq!(loading.status, 503);
    assert!(loading.text.contains(r#""message":"Loading model""#), "{}", loading.text);
    assert_eq!(stub.get("/v1/models").status, 503);
    stub.log_line("model loaded");
    let ready = stub.get("/health");
    assert_eq!(ready.status, 200);
    assert!(ready.text.ends_with(r#"{"status":"ok"}"#), "{}", ready.text);
    assert!(stub.get("/v1/models").text.contains(r#""id":"m7""#));
}

#[test]
fn the_port_opens_late_when_asked() {
    let mut stub = Stub::start(&["--load-time", "50ms", "--open-port", "when-loaded"]);
    stub.log_line("model loaded");
    stub.log_line("server is listening");
    assert_eq!(stub.get("/health").status, 200);
}

#[test]
fn streams_and_completes() {
    let stub = Stub::ready(&["--token-interval", "1ms"]);
    for path in ["/v1/chat/completions", "/v1/completions"] {
        let streamed = stub.post(path, r#"{"stream":true,"max_tokens":3,"prompt":"p"}"#);
        assert_eq!(streamed.status, 200);
        for word in ["word1", "word2", "word3"] {
            assert!(streamed.text.contains(word), "{path}: no {word} in {}", streamed.text);
        }
        assert!(!streamed.text.contains("word4"), "{}", streamed.text);
        let (_, after) = streamed.text.split_once("data: [DONE]").expect("[DONE]");
        assert!(!after.contains("data:"), "[DONE] is the last event");

        let whole = stub.post(path, r#"{"max_tokens":3}"#);
        assert!(whole.text.contains(r#"" word1 word2 word3""#), "{}", whole.text);
        assert!(whole.text.contains(r#""completion_tokens":3"#), "{}", whole.text);
    }
    assert!(stub.get("/metrics").text.contains("llamacpp:tokens_predicted_total 12\n"));
}

#[test]
fn slots_are_bounded_and_given_back_when_the_client_leaves() {
    let mut stub = Stub::ready(&["--slots", "1"]);
    let long = r#"{"stream":true,"max_tokens":1000000}"#;
    let first = stub.ask("POST", "/v1/completions", long);
    stub.log_line("processing task");
    let second = stub.ask("POST", "/v1/completions", long);
    assert_silent(second.try_clone().expect("a descriptor"));
    assert!(stub.get("/slots").text.contains(r#""is_processing":true"#));
    let metrics = stub.get("/metrics").text;
    assert!(metrics.contains("llamacpp:requests_processing 1\n"), "{metrics}");
    assert!(metrics.contains("llamacpp:requests_deferred 1\n"), "{metrics}");
    drop(first);
    stub.log_line("stop processing");
    stub.log_line("task 2 | processing task");
    drop(second);
    stub.log_line("stop processing");
    assert!(stub.get("/slots").text.contains(r#""is_processing":false"#));
}

#[test]
fn term_cuts_what_is_in_flight_and_exits_0() {
    let mut stub = Stub::ready(&[]);
    let mut stream = stub.ask("POST", "/v1/completions", r#"{"stream":true,"max_tokens":1000000}"#);
    stub.log_line("processing task");
    stub.signal(Signal::SIGTERM);
    assert_eq!(stub.wait().code(), Some(0));
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("[DONE]"));
}

#[test]
fn a_second_term_exits_1() {
    let mut stub = Stub::ready(&["--exit-delay", "1h"]);
    stub.signal(Signal::SIGTERM);
    stub.log_line("received SIGTERM");
    assert_eq!(stub.get("/health").status, 200, "it goes on until it exits");
    stub.signal(Signal::SIGTERM);
    assert_eq!(stub.wait().code(), Some(1));
}

#[test]
fn a_slow_exit_is_slow_and_ends_with_0() {
    let mut stub = Stub::ready(&["--exit-delay", "1s"]);
    stub.signal(Signal::SIGTERM);
    stub.log_line("received SIGTERM");
    assert!(stub.process.try_wait().expect("our child").is_none());
    assert_eq!(stub.wait().code(), Some(0));
}

#[test]
fn ignored_terms_change_nothing() {
    let mut stub = Stub::ready(&["--ignore-term"]);
    for _ in 0..3 {
        stub.signal(Signal::SIGTERM);
        stub.log_line("ignored");
    }
    assert_eq!(stub.get("/health").status, 200);
    stub.signal(Signal::SIGKILL);
    assert_eq!(stub.wait().signal(), Some(Signal::SIGKILL as i32));
}

#[test]
fn ends_as_asked_at_the_moment_asked() {
    let never = ["--never-ready", "--at", "start+50ms=exit:7"];
    assert_eq!(Stub::start(&never).wait().code(), Some(7), "before ready");
    assert_eq!(Stub::start(&["--at", "ready+50ms=exit:0"]).wait().code(), Some(0), "after ready");
    for signal in [Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGKILL, Signal::SIGTERM, Signal::SIGBUS] {
        let step = format!("ready=signal:{signal}");
        let status = Stub::start(&["--at", &step]).wait();
        assert_eq!(status.signal(), Some(signal as i32), "{signal}");
    }
}

#[test]
fn ends_on_the_nth_request() {
    let mut stub = Stub::ready(&["--at", "request:2=exit:9", "--token-interval", "1ms"]);
    assert_eq!(stub.post("/v1/completions", r#"{"max_tokens":1}"#).status, 200);
    assert_eq!(stub.get("/health").status, 200, "a health check is no request");
    // Held until the end: a client that goes away takes its request back.
    let _connection = stub.ask("POST", "/v1/completions", r#"{"max_tokens":1}"#);
    assert_eq!(stub.wait().code(), Some(9));
}

#[test]
fn ends_in_the_middle_of_a_stream() {
    let mut stub = Stub::ready(&["--at", "token:3=signal:KILL"]);
    let mut stream = stub.ask("POST", "/v1/completions", r#"{"stream":true,"max_tokens":9}"#);
    assert_eq!(stub.wait().signal(), Some(Signal::SIGKILL as i32));
    let mut seen = Vec::new();
    let _ = stream.read_to_end(&mut seen);
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("word1") && !seen.contains("word4"), "{seen}");
}

#[test]
fn term_can_be_a_moment() {
    let mut stub = Stub::ready(&["--ignore-term", "--at", "term+50ms=exit:5"]);
    stub.signal(Signal::SIGTERM);
    assert_eq!(stub.wait().code(), Some(5));
}

#[test]
fn stops_itself_and_goes_on_after_cont() {
    let stub = Stub::ready(&["--at", "request:1=signal:STOP", "--token-interval", "1ms"]);
    let stream = stub.ask("POST", "/v1/completions", r#"{"max_tokens":1}"#);
    assert_silent(stream.try_clone().expect("a descriptor"));
    stub.signal(Signal::SIGCONT);
    assert_eq!(Answer::read(stream).status, 200);
}

#[test]
fn health_hangs_while_the_rest_answers() {
    let stub = Stub::ready(&["--at", "ready=health:hang"]);
    assert_silent(stub.ask("GET", "/health", ""));
    assert_eq!(stub.get("/slots").status, 200);
}

#[test]
fn health_turns_bad_and_good_again() {
    let switches = ["--at", "request:1=health:500", "--at", "request:2=health:ok", "--token-interval", "0s"];
    let stub = Stub::ready(&switches);
    assert_eq!(stub.get("/health").status, 200);
    stub.post("/v1/completions", "{}");
    assert_eq!(stub.get("/health").status, 500);
    stub.post("/v1/completions", "{}");
    assert_eq!(stub.get("/health").status, 200);
}

#[test]
fn health_flaps() {
    let stub = Stub::ready(&["--at", "ready=health:flap/20ms"]);
    let mut changes = 0;
    let mut last = stub.get("/health").status;
    while changes < 4 {
        let status = stub.get("/health").status;
        assert!(matches!(status, 200 | 500), "{status}");
        changes += u32::from(status != last);
        last = status;
    }
}

#[test]
fn health_lies_while_generation_hangs() {
    let stub = Stub::ready(&["--at", "token:2=generation:hang"]);
    let mut stream = stub.ask("POST", "/v1/completions", r#"{"stream":true,"max_tokens":9}"#);
    let mut seen = String::new();
    while !seen.contains("word2") {
        let mut bytes = [0; 256];
        let read = stream.read(&mut bytes).expect("the first tokens");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert_silent(stream);
    assert_eq!(stub.get("/health").status, 200);
}

#[test]
fn the_log_takes_what_it_is_told() {
    let mut stub = Stub::start(&[
        "--at",
        "start=log:CUDA error: an illegal memory access was encountered",
        "--at",
        "start=log-open:no end",
        "--at",
        "start=binary:300",
        "--at",
        "ready+100ms=flood:2000",
    ]);
    let line = stub.log_line("CUDA error");
    assert_eq!(line, "CUDA error: an illegal memory access was encountered\n");
    let line = stub.log_line("no end");
    assert!(
        line.contains('\0') && line.contains('\u{FFFD}'),
        "binary bytes follow on the same line: {line:?}"
    );
    stub.log_line("flood: line 1 of 2000");
    stub.log_line("flood: line 2000 of 2000");
}

#[test]
fn children_outlive_it() {
    let mut stub = Stub::ready(&["--children", "2", "--children-setsid", "--children-ignore-term"]);
    assert_eq!(stub.children.len(), 2);
    stub.signal(Signal::SIGTERM);
    assert_eq!(stub.wait().code(), Some(0));
    for child in stub.children.clone() {
        assert_eq!(getsid(Some(child)), Ok(child), "it leads its own session");
        // The second answer shows that the first signal was survived.
        for _ in 0..2 {
            kill(child, Signal::SIGTERM).expect("it lives");
            stub.log_line(&format!("child {child} ignores SIGTERM"));
        }
    }
}

#[test]
fn children_stay_in_the_session_and_take_term_unless_told() {
    let stub = Stub::ready(&["--children", "1"]);
    let child = *stub.children.first().expect("a child");
    assert_eq!(getsid(Some(child)), getsid(None), "the session of the test");
    kill(child, Signal::SIGTERM).expect("it lives");
    // The stub never reaps it, so its end shows as a zombie.
    let stat = format!("/proc/{child}/stat");
    while !std::fs::read_to_string(&stat).expect("not reaped").contains(") Z ") {
        std::thread::yield_now();
    }
}

#[test]
fn memory_grows() {
    let stub = Stub::ready(&["--at", "ready=grow:200"]);
    let statm = format!("/proc/{}/statm", stub.process.id());
    let resident_pages = || -> u64 {
        let text = std::fs::read_to_string(&statm).expect("it lives");
        text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number")
    };
    let before = resident_pages();
    let goal = before + 40 * 256; // 40 MiB in pages of 4 KiB
    while resident_pages() < goal {
        std::thread::yield_now();
    }
}

#[test]
fn an_occupied_port_ends_it_with_1() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = holder.local_addr().expect("an address").port().to_string();
    let (mut process, _, mut stderr) = spawn(&["--port", &port]);
    let mut log = String::new();
    stderr.read_to_string(&mut log).expect("stderr");
    assert!(log.contains("Address already in use"), "{log}");
    assert_eq!(process.wait().expect("our child").code(), Some(1));
}

#[test]
fn a_shared_port_is_shared_only_when_both_ask() {
    let first = Stub::ready(&["--reuse-port"]);
    let port = first.address.port().to_string();
    let second = Stub::start_on(&port, &["--reuse-port"]);
    assert_eq!(second.address, first.address);
    let (mut third, ..) = spawn(&["--port", &port]);
    assert_eq!(third.wait().expect("our child").code(), Some(1));
}

#[test]
fn mistakes_on_the_command_line_are_refused_with_2() {
    let (mut process, _, mut stderr) = spawn(&["--at", "ready+2s"]);
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("stderr");
    assert!(said.contains("MOMENT=ACTION, such as ready+2s=exit:1"), "{said}");
    assert_eq!(process.wait().expect("our child").code(), Some(2));
}
