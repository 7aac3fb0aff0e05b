//! The probe against servers that do everything wrong: whatever they do, it ends in time with the
//! answer that the core can act on.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use pool_manager::executor::Completions;
use pool_manager::executor::probe::{Listener, Loopback, Network, Prober, Question, probe};
use pool_manager::launch::Endpoint;
use pool_manager_core::{
    Completion, EffectId, EngineRef, Incarnation, Input, PoolUid, ProbeAnswer, ProbeKind,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Time-out of probes that are to be answered without its help.
const LONG: Duration = Duration::from_secs(20);
/// Time-out of probes that are to run into it.
const SHORT: Duration = Duration::from_millis(200);

/// Serves connections with `behave`, one after the other, after having read the request; for as
/// long as the test runs. Returns the port.
fn serve(behave: impl Fn(TcpStream) -> io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The probe hangs up on some; that is no fault of the server.
            let _ = read_request(&stream).and_then(|_| behave(stream));
        }
    });
    port
}

fn read_request(mut stream: &TcpStream) -> io::Result<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            break;
        }
        request.extend(byte);
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}

/// Sends `text` and closes.
fn says(text: &'static str) -> u16 {
    serve(move |mut stream| stream.write_all(text.as_bytes()))
}

/// Sends `text` and keeps the connection open until the probe closes it.
fn says_and_waits(text: &'static str) -> u16 {
    serve(move |mut stream| {
        stream.write_all(text.as_bytes())?;
        wait_for_the_end(&mut stream)
    })
}

fn wait_for_the_end(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(drop)
}

/// Sends `head`, then `part` again and again.
fn repeats(head: &'static str, part: &'static str, pause: Duration) -> u16 {
    serve(move |mut stream| {
        stream.write_all(head.as_bytes())?;
        loop {
            stream.write_all(part.as_bytes())?;
            thread::sleep(pause);
        }
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn http(port: u16) -> Endpoint {
    Endpoint::Http { port, path: "/health?deep=1".into() }
}

fn ask(port: u16, timeout: Duration) -> ProbeAnswer {
    let network = Loopback::new(|_, _| Listener::Ours);
    run(probe(&network, &http(port), None, timeout))
}

/// Asserts an answer that comes without the help of the time-out.
fn assert_answers(port: u16, expected: ProbeAnswer, what: &str) {
    assert_eq!(ask(port, LONG), expected, "{what}");
}

/// Asserts that the probe runs into its time-out, and ends soon after it.
fn assert_times_out(port: u16, what: &str) {
    let start = Instant::now();
    assert_eq!(ask(port, SHORT), ProbeAnswer::TimedOut, "{what}");
    let elapsed = start.elapsed();
    assert!(elapsed >= SHORT, "{what}: after {elapsed:?} already");
    assert!(elapsed < 10 * SHORT, "{what}: only after {elapsed:?}");
}

const fn unhealthy(status: u16) -> ProbeAnswer {
    ProbeAnswer::Unhealthy { status }
}

fn unused_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn whole_answers_are_judged_by_their_status() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ProbeAnswer::Healthy),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ProbeAnswer::Healthy),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end of the connection", ProbeAnswer::Healthy),
        ("HTTP/1.0 200 OK\r\n\r\nok", ProbeAnswer::Healthy),
        ("HTTP/1.0 503 Service Unavailable\r\n\r\n", ProbeAnswer::Loading),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", ProbeAnswer::Loading),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ProbeAnswer::Healthy),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", unhealthy(302)),
        ("HTTP/1.1 204 No Content\r\n\r\n", unhealthy(204)),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", unhealthy(500)),
    ];
    for (text, expected) in cases {
        assert_answers(says(text), expected, text);
    }
}

#[test]
fn an_answer_is_taken_although_the_connection_stays_open() {
    let port = says_and_waits("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
    assert_answers(port, ProbeAnswer::Healthy, "keep-alive");
}

#[test]
fn what_is_no_answer_is_unhealthy() {
    let cases = [
        ("", 0, "closed without a word"),
        ("HTTP/1.1 200 O", 0, "half a head"),
        ("SSH-2.0-OpenSSH_9.9\r\n", 0, "another protocol"),
        ("\0\u{1}\u{2}\u{3}\n\n\n\n", 0, "garbage"),
        ("HTTP/1.1 999999 OK\r\n\r\n", 0, "no status"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, "no length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 200, "half a body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, "broken chunks"),
        ("HTTP/1.1 503 Loading\r\nContent-Length: 10\r\n\r\nhalf", 503, "half a body while loading"),
    ];
    for (text, status, what) in cases {
        assert_answers(says(text), unhealthy(status), what);
    }
}

#[test]
fn a_reset_is_unhealthy() {
    let resets_after = |text: &'static str| {
        serve(move |mut stream| {
            stream.write_all(text.as_bytes())?;
            let hard = libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&stream, sockopt::Linger, &hard)?;
            drop(stream);
            Ok(())
        })
    };
    assert_answers(resets_after(""), unhealthy(0), "before the answer");
    // The reset may overtake the head on its way.
    let torn = ask(resets_after("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), LONG);
    assert!(matches!(torn, ProbeAnswer::Unhealthy { status: 0 | 200 }), "{torn:?}");
}

#[test]
fn silence_runs_into_the_time_out() {
    assert_times_out(says_and_waits(""), "accepted, and nothing");
    assert_times_out(says_and_waits("HTTP/1.1 200 OK\r\nContent-Le"), "half a head");
    assert_times_out(says_and_waits("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "half a body");
}

#[test]
fn a_port_that_nobody_accepts_on_runs_into_the_time_out() {
    // The kernel takes the connection for it, as it does for a stopped engine.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    assert_times_out(listener.local_addr().expect("an address").port(), "not accepted");
}

#[test]
fn dribbles_run_into_the_time_out() {
    let pause = Duration::from_millis(5);
    assert_times_out(repeats("HTTP/1.1 200 OK\r\nX: ", "x", pause), "slow header");
    assert_times_out(repeats("HTTP/1.1 200 OK\r\n\r\n", "x", pause), "slow endless body");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_times_out(repeats("", interim, pause), "slow endless interim answers");
}

#[test]
fn endless_answers_are_not_read_to_their_end() {
    let kilobyte: &'static str = Box::leak("x".repeat(1000).into_boxed_str());
    let body = repeats("HTTP/1.1 200 OK\r\n\r\n", kilobyte, Duration::ZERO);
    assert_answers(body, ProbeAnswer::Healthy, "the status is known, the rest does not matter");
    let header: &'static str = Box::leak(format!("X-Pad: {kilobyte}\r\n").into_boxed_str());
    assert_answers(repeats("HTTP/1.1 200 OK\r\n", header, Duration::ZERO), unhealthy(0), "endless head");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_answers(repeats("", interim, Duration::ZERO), unhealthy(0), "endless interim answers");
}

#[test]
fn the_request_is_one_that_servers_understand() {
    let (sender, received) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the probe");
        sender.send(read_request(&stream).expect("a request")).expect("the test");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("taken");
    });
    assert_answers(port, ProbeAnswer::Healthy, "a plain server");
    let request = received.recv().expect("a request").to_lowercase();
    assert!(request.starts_with("get /health?deep=1 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: 127.0.0.1:{port}\r\n")), "{request}");
    assert!(request.contains("\r\nconnection: close\r\n"), "{request}");
}

#[test]
fn a_closed_port_refuses() {
    let port = unused_port();
    assert_answers(port, ProbeAnswer::Refused, "http");
    let network = Loopback::new(|_, _| Listener::Ours);
    assert_eq!(run(probe(&network, &Endpoint::Tcp { port }, None, LONG)), ProbeAnswer::Refused);
}

#[test]
fn other_endpoints_ask_less() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let network = Loopback::new(|_, _| Listener::Ours);
    assert_eq!(run(probe(&network, &Endpoint::Tcp { port }, Some(1), LONG)), ProbeAnswer::Healthy);
    assert_eq!(run(probe(&network, &Endpoint::None, Some(1), LONG)), ProbeAnswer::Healthy);
}

#[test]
fn a_healthy_answer_counts_only_from_the_engine() {
    let healthy = says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let cases = [
        (Listener::Ours, ProbeAnswer::Healthy),
        (Listener::Stranger, ProbeAnswer::Stranger),
        (Listener::Nobody, ProbeAnswer::Refused),
    ];
    for (listener, expected) in cases {
        let asked = Arc::new(Mutex::new(None));
        let asked_inside = Arc::clone(&asked);
        let network = Loopback::new(move |port, pid| {
            *asked_inside.lock().expect("not poisoned") = Some((port, pid));
            listener
        });
        for endpoint in [http(healthy), Endpoint::Tcp { port: healthy }] {
            assert_eq!(run(probe(&network, &endpoint, Some(4711), LONG)), expected, "{endpoint:?}");
        }
        assert_eq!(*asked.lock().expect("not poisoned"), Some((healthy, 4711)));
        assert_eq!(run(probe(&network, &http(healthy), None, LONG)), ProbeAnswer::Healthy, "not asked");
    }
    let loading = says("HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n");
    let network = Loopback::new(|_, _| Listener::Stranger);
    assert_eq!(run(probe(&network, &http(loading), Some(1), LONG)), ProbeAnswer::Loading);
}

#[test]
fn a_look_up_that_hangs_runs_into_the_time_out() {
    let healthy = says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let network = Loopback::new(move |_, _| {
        let _ = released.lock().expect("not poisoned").recv();
        Listener::Ours
    });
    let answer = run(async {
        let answer = probe(&network, &http(healthy), Some(1), SHORT).await;
        drop(release);
        answer
    });
    assert_eq!(answer, ProbeAnswer::TimedOut);
}

/// A prober that counts how often it looks up who listens, and what it reports.
fn prober(look_ups: &Arc<AtomicUsize>) -> (Prober<impl Network>, UnboundedReceiver<Input>) {
    let look_ups = Arc::clone(look_ups);
    let network = Loopback::new(move |_, _| {
        look_ups.fetch_add(1, Ordering::SeqCst);
        Listener::Ours
    });
    let (queue, results) = unbounded_channel();
    (Prober::new(network, Completions::new(queue)), results)
}

fn question(sequence: u64, incarnation: u32, port: u16, kind: ProbeKind) -> Question {
    let pool = PoolUid(1);
    Question {
        id: EffectId { pool, sequence },
        engine: EngineRef { pool, incarnation: Incarnation { epoch: 1, n: incarnation } },
        engine_pid: 4711,
        endpoint: http(port),
        kind,
        timeout: LONG,
    }
}

#[test]
fn who_listens_is_looked_up_where_an_answer_is_news() {
    use ProbeKind::{Liveness, Readiness};
    let healthy = says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let broken = says("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let steps = [
        (1, Readiness, healthy, 1, "a readiness probe looks"),
        (1, Readiness, healthy, 1, "every one"),
        (1, Liveness, healthy, 0, "a liveness probe does not"),
        (1, Liveness, broken, 0, "nor when the answer is bad anyway"),
        (1, Liveness, healthy, 1, "but after a failure"),
        (1, Liveness, healthy, 0, "once"),
        (1, Liveness, broken, 0, "a failure again"),
        (2, Liveness, healthy, 0, "which says nothing about the next engine"),
    ];
    let look_ups = Arc::new(AtomicUsize::new(0));
    run(async {
        let (prober, mut results) = prober(&look_ups);
        for (incarnation, kind, port, expected, what) in steps {
            prober.start(question(1, incarnation, port, kind));
            results.recv().await.expect("an answer");
            assert_eq!(look_ups.swap(0, Ordering::SeqCst), expected, "{what}");
        }
    });
}

#[test]
fn each_probe_is_answered_once_and_they_do_not_wait_for_each_other() {
    let healthy = says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let silent = says_and_waits("");
    let answers = run(async {
        let (prober, mut results) = prober(&Arc::default());
        let mut slow = question(1, 1, silent, ProbeKind::Readiness);
        slow.timeout = 5 * SHORT; // far more than the other needs
        prober.start(slow);
        prober.start(question(2, 1, healthy, ProbeKind::Readiness));
        drop(prober);
        let mut answers = Vec::new();
        // The queue ends when the last task has let go of it: whoever answers twice is seen.
        while let Some(input) = results.recv().await {
            answers.push(input);
        }
        answers
    });
    let completed = |sequence, answer| Input::Completed {
        effect: EffectId { pool: PoolUid(1), sequence },
        result: Completion::Probed(answer),
    };
    assert_eq!(answers, [completed(2, ProbeAnswer::Healthy), completed(1, ProbeAnswer::TimedOut)]);
}
