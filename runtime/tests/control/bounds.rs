//! What a client must not do: bodies too large, too slow, malformed or absurd; connections without
//! end or without number.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use crate::stage::{Reply, Stage};

#[test]
fn malformed_and_unknown_is_refused_with_its_place() {
    let stage = Stage::start();
    let drain = |body: &str| stage.post("/v1/pools/mistral/drain", body);
    let malformed = drain("{\n  \"deadline\": nope}");
    assert!(malformed.problem(400, "malformed-json").contains("line 2"));
    assert_eq!(malformed.json["line"], 2);
    drain("[\"30s\"]").problem(400, "malformed-json");
    let unknown = drain("{\"dedline\":\"30s\"}");
    assert!(unknown.problem(400, "invalid-field").contains("did you mean `deadline`?"));
    assert!(
        stage
            .post("/v1/pools/mistral/stop", "{\"now\":true}")
            .problem(400, "invalid-field")
            .contains("no field")
    );
    let wait = stage.get("/v1/operations/1?wiat=3s");
    assert!(wait.problem(400, "invalid-field").contains("did you mean `wait`?"));
}

#[test]
fn absurd_deadlines_are_refused_with_the_limit() {
    let stage = Stage::start();
    for deadline in ["-1", "86401", "1e300", "\"abc\"", "\"-5s\"", "\"25h\"", "\"\"", "true", "{}", "\"NaN\""]
    {
        let answer = stage.post("/v1/pools/mistral/drain", &format!("{{\"deadline\":{deadline}}}"));
        assert!(answer.problem(400, "invalid-field").contains("1day"), "{deadline}: {}", answer.text);
        assert_eq!(
            (&answer.json["field"], &answer.json["limit_seconds"]),
            (&"deadline".into(), &86_400.into())
        );
    }
    for body in ["{\"ttl\":-1}", "{\"priority\":\"urgent\"}", "{\"holder\":\"\"}", "{\"holder\":7}"] {
        stage.post("/v1/pools/llama/leases", body).problem(400, "invalid-field");
    }
    assert_eq!(stage.get("/v1/pools/mistral").json["last_operation"], serde_json::Value::Null);
}

#[test]
fn a_body_has_a_largest_size() {
    let stage = Stage::start();
    let padded = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    assert_eq!(stage.post("/v1/pools/mistral/drain", &padded(64 * 1024)).status, 200);
    let refused = stage.post("/v1/pools/mistral/drain", &padded(64 * 1024 + 1));
    refused.problem(413, "body-too-large");
    assert_eq!(refused.json["limit_bytes"], 64 * 1024);
    stage.post("/v1/pools/mistral/drain", &padded(900 * 1024)).problem(413, "body-too-large");
}

#[test]
fn slow_heads_and_bodies_are_not_waited_for() {
    let stage = Stage::with(|api| {
        api.limits.head_within = Duration::from_millis(100);
        api.limits.body_within = Duration::from_millis(100);
    });
    let host = stage.address;
    let mut slow_body = stage.connect();
    let head = format!("POST /v1/pools/llama/drain HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n{{");
    slow_body.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    slow_body.read_to_string(&mut text).unwrap();
    Reply::read(&text).problem(408, "slow-body");

    let mut slow_head = stage.connect();
    slow_head.write_all(b"GET /health HTT").unwrap();
    let mut idle = stage.connect();
    let kept_alive = format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n");
    idle.write_all(kept_alive.as_bytes()).unwrap();
    for stream in [&mut slow_head, &mut idle] {
        // Both are closed by the server; reading on to the end would hang otherwise.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
    }
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let stage = Stage::with(|api| api.limits.connections = 1);
    let first = stage.connect();
    let mut second = stage.open("GET", "/health", &[], "");
    second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut byte = [0];
    let early = second.read(&mut byte);
    assert!(early.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)));
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = String::new();
    second.read_to_string(&mut text).unwrap();
    assert_eq!(Reply::read(&text).status, 200, "{text}");
}
