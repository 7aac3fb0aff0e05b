//! The event stream: snapshot, live events, resuming, what cannot be resumed, and its end.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::stage::Stage;

/// A stream that is read event by event.
struct Events {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

#[derive(Debug, Default)]
struct Frame {
    id: String,
    kind: String,
    data: Value,
}

impl Events {
    fn open(stage: &Stage, last_seen: Option<&str>) -> Self {
        let resume = last_seen.map(|id| ("Last-Event-ID", id));
        let stream = stage.open("GET", "/v1/events", resume.as_slice(), "");
        Self { lines: BufReader::new(stream).lines() }
    }

    /// The next line; `None` when the stream has ended.
    fn line(&mut self) -> Option<String> {
        self.lines.next().map(Result::unwrap)
    }

    fn next(&mut self) -> Frame {
        let mut frame = Frame::default();
        loop {
            let line = self.line().expect("the stream goes on");
            assert_ne!(line, ": heartbeat", "an event that should come does not");
            // The head and the chunks' lengths have no colon-separated field of ours.
            match line.split_once(": ") {
                Some(("id", id)) => frame.id = id.to_owned(),
                Some(("event", kind)) => frame.kind = kind.to_owned(),
                Some(("data", data)) => frame.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && !frame.kind.is_empty() => return frame,
                _ => {}
            }
        }
    }

    fn until(&mut self, kind: &str) -> Frame {
        loop {
            let frame = self.next();
            if frame.kind == kind {
                return frame;
            }
        }
    }
}

#[test]
fn a_stream_begins_with_a_snapshot_and_goes_on_live() {
    let stage = Stage::start();
    let mut events = Events::open(&stage, None);
    let snapshot = events.next();
    assert_eq!(snapshot.kind, "snapshot");
    assert_eq!(snapshot.data["pools"].as_array().unwrap().len(), 6);
    let answer = stage.send("POST", "/v1/pools/llama/preload", &[("X-Correlation-Id", "ticket 9")], "");
    assert!(matches!(answer.status, 200 | 202), "{}", answer.text);
    let ready = events.until("engine_ready");
    assert_eq!((&ready.data["pool"], &ready.data["incarnation"]), (&"llama".into(), &"7.1".into()));
    assert!(ready.id.starts_with("7-"), "{}", ready.id);
    let ended = events.until("operation_ended");
    assert_eq!(ended.data["correlation_id"], "ticket 9");
    assert_eq!(ended.data["details"]["outcome"], "completed");
}

#[test]
fn a_stream_goes_on_behind_the_last_event_seen() {
    let stage = Stage::start();
    let mut first = Events::open(&stage, None);
    first.next();
    stage.ready(&["llama"]);
    let seen = first.next();
    let mut rest = vec![first.next().id];
    while rest.len() < 5 {
        rest.push(first.next().id);
    }
    drop(first);
    let mut resumed = Events::open(&stage, Some(&seen.id));
    let again: Vec<_> = rest.iter().map(|_| resumed.next().id).collect();
    assert_eq!(again, rest, "nothing missing, nothing twice, in order");
}

#[test]
fn what_cannot_be_resumed_is_said_and_followed_by_a_snapshot() {
    let stage = Stage::start();
    for id in ["6-1", "7-999", "nonsense", "-"] {
        let mut events = Events::open(&stage, Some(id));
        let resync = events.next();
        assert_eq!((resync.kind.as_str(), &resync.data["last_event_id"]), ("resync", &id.into()));
        assert_eq!(events.next().kind, "snapshot");
    }
}

#[test]
fn a_silent_stream_has_a_heartbeat_and_streams_are_bounded() {
    let stage = Stage::with(|api| {
        api.limits.heartbeat = Duration::from_millis(50);
        api.limits.event_streams = 1;
    });
    let mut events = Events::open(&stage, None);
    events.next();
    while events.line().expect("the stream goes on") != ": heartbeat" {}
    let refused = stage.get("/v1/events");
    refused.problem(503, "too-many-streams");
    assert!(refused.retry_after().is_some());
    drop(events);
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    while !Events::open(&stage, None).line().unwrap().contains("200") {
        assert!(std::time::Instant::now() < patience, "the stream's place is not free again");
    }
}

#[test]
fn streams_and_waits_end_with_the_server() {
    let mut stage = Stage::start();
    let mut events = Events::open(&stage, None);
    events.next();
    stage.end();
    while events.line().is_some() {}
}
