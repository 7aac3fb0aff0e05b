//! Looking and commanding: each route, each refusal, operations and who may ask for them.

use crate::stage::Stage;
use pool_manager::control::{Hosts, Tokens};
use pool_manager_core::Correlation;

#[test]
fn each_route_to_look_answers() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("llama");
    std::fs::create_dir(&logs).unwrap();
    std::fs::write(logs.join("7.1.log"), "one\ntwo\nthree\n").unwrap();
    let root = folder.path().to_owned();
    let stage = Stage::with(move |api| {
        api.logs = Some(root);
    });
    stage.ready(&["llama"]);

    let health = stage.get("/health").json;
    assert_eq!((&health["status"], &health["epoch"]), (&"ok".into(), &7.into()));
    assert_eq!((&health["pools_total"], &health["pools_ready"]), (&6.into(), &1.into()));

    let list = stage.get("/v1/pools").json;
    let names: Vec<_> =
        list["pools"].as_array().unwrap().iter().map(|pool| pool["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["broken", "llama", "mistral", "slow", "stubborn", "tiny"]);
    assert!(list["version"].as_u64().unwrap() > 0);

    let pool = stage.get("/v1/pools/llama").json;
    assert_eq!((&pool["state"], &pool["ready"]), (&"ready".into(), &true.into()));
    assert_eq!((&pool["url"], &pool["engine"]["pid"]), (&"http://127.0.0.1:9001".into(), &4002.into()));
    assert_eq!((&pool["engine"]["incarnation"], &pool["leases"]["slots"]), (&"7.1".into(), &2.into()));

    let metrics = stage.get("/metrics");
    assert!(metrics.text.contains("\npool_manager_slots{pool_id=\"llama\"} 2\n"), "{}", metrics.text);
    assert!(metrics.headers["content-type"].starts_with("application/openmetrics-text"));

    let log = stage.get("/v1/pools/llama/logs?tail=2");
    assert_eq!((log.text.as_str(), log.headers["x-incarnation"].as_str()), ("two\nthree\n", "7.1"));
    stage.get("/v1/pools/mistral/logs").problem(404, "no-log");
    assert!(stage.get("/v1/pools/llama/logs?tail=-1").problem(400, "invalid-field").contains("`tail`"));
}

#[test]
fn what_is_not_served_is_a_problem_that_names_what_is() {
    let stage = Stage::start();
    for path in ["/", "/v1", "/v1/pool", "/v1/pools/llama/whatever", "/v1/pools/llama/why/not"] {
        assert!(stage.get(path).problem(404, "unknown-path").contains("GET /v1/pools"), "{path}");
    }
    assert!(stage.post("/v1/pools/llama/drian", "").problem(404, "unknown-verb").contains("`drain`"));
    assert!(stage.post("/v1/pools/llama/hold", "").problem(404, "unknown-verb").contains("reset-breaker"));
    let wrong = stage.get("/v1/pools/llama/drain");
    wrong.problem(405, "wrong-method");
    assert_eq!(wrong.headers["allow"], "POST");
    let wrong = stage.post("/v1/pools", "");
    wrong.problem(405, "wrong-method");
    assert!(wrong.headers["allow"].contains("GET"), "{:?}", wrong.headers);
    stage.get("/v1/pools/%ff").problem(400, "invalid-field");
}

#[test]
fn an_unknown_pool_is_named_with_the_nearest_known() {
    let stage = Stage::start();
    let answers = [
        stage.get("/v1/pools/lama"),
        stage.get("/v1/pools/lama/why"),
        stage.get("/v1/pools/lama/leases"),
        stage.get("/v1/pools/lama/logs"),
        stage.post("/v1/pools/lama/drain", ""),
        stage.post("/v1/pools/lama/leases", ""),
        stage.send("DELETE", "/v1/pools/lama", &[], ""),
    ];
    for answer in answers {
        assert!(answer.problem(404, "unknown-pool").contains("did you mean `llama`?"));
        assert_eq!((&answer.json["nearest"], answer.retry_after()), (&"llama".into(), None));
    }
}

#[test]
fn operations_are_refused_as_their_precedence_says() {
    let stage = Stage::start();
    stage.ready(&["llama", "stubborn"]);
    stage.post("/v1/pools/llama/undrain", "").problem(409, "not-draining");
    // Its engine never ends, so its drain goes on to Stopping and stays there.
    assert_eq!(stage.post("/v1/pools/stubborn/drain", "").status, 202);
    stage.post("/v1/pools/stubborn/undrain", "").problem(409, "too-late");
    let busy = stage.post("/v1/pools/stubborn/preload", "");
    assert!(busy.problem(409, "busy").contains("drain"));
    assert_eq!(busy.json["operation"], "drain");
}

#[test]
fn an_operation_ends_at_once_or_can_be_waited_for() {
    let stage = Stage::start();
    let at_once = stage.post("/v1/pools/mistral/drain", "");
    assert_eq!((at_once.status, &at_once.json["state"]), (200, &"completed".into()), "{}", at_once.text);
    stage.ready(&["llama"]);
    let lease = stage.lease("llama");
    let begun = stage.post("/v1/pools/llama/drain", "{\"deadline\":\"30s\"}");
    assert_eq!((begun.status, &begun.json["state"]), (202, &"running".into()), "{}", begun.text);
    let location = begun.headers["location"].clone();
    assert_eq!(location, format!("/v1/operations/{}", begun.json["id"]));
    let deadline = stage.get("/v1/pools/llama").json["drain"]["deadline_in_seconds"].as_f64().unwrap();
    assert!((20.0..=30.0).contains(&deadline), "{deadline}");
    assert_eq!(stage.get(&location).json["state"], "running");
    // The wait ends with the operation, not with its time.
    let waiting = stage.open("GET", &format!("{location}?wait=60s"), &[], "");
    assert_eq!(stage.send("DELETE", &format!("/v1/leases/{lease}"), &[], "").json["how"], "completed");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut &waiting, &mut text).unwrap();
    let ended = crate::stage::Reply::read(&text).json;
    assert_eq!((&ended["state"], &ended["succeeded"]), (&"completed".into(), &true.into()), "{ended}");
    assert_eq!(stage.get("/v1/pools/llama").json["state"], "stopped");
    stage.get("/v1/operations/999").problem(404, "unknown-operation");
    stage.get("/v1/operations/x").problem(404, "unknown-operation");
    assert!(stage.get(&format!("{location}?wait=61s")).problem(400, "invalid-field").contains("1m"));
}

#[test]
fn a_drain_at_its_deadline_names_the_leases_it_cut() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let lease = stage.lease("llama");
    let begun = stage.post("/v1/pools/llama/drain", "{\"deadline\":0.05}").json;
    let ended = stage.get(&format!("/v1/operations/{}?wait=10s", begun["id"])).json;
    assert_eq!((&ended["state"], &ended["succeeded"]), (&"force_stopped".into(), &false.into()));
    assert_eq!(ended["cut"], serde_json::json!([lease]));
    let again = stage.send("DELETE", &format!("/v1/leases/{lease}"), &[], "").json;
    assert_eq!((&again["already_ended"], &again["how"]), (&true.into(), &"cut".into()));
}

#[test]
fn a_drain_can_be_taken_back_and_a_pool_be_forgotten() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let _lease = stage.lease("llama");
    assert_eq!(stage.post("/v1/pools/llama/drain", "").status, 202);
    let undrained = stage.post("/v1/pools/llama/undrain", "");
    assert_eq!((undrained.status, &undrained.json["state"]), (200, &"undrained".into()));
    assert_eq!(stage.get("/v1/pools/llama").json["ready"], true);
    assert_eq!(stage.post("/v1/pools/llama/stop", "").json["kind"], "stop");
    let gone = stage.send("DELETE", "/v1/pools/mistral", &[], "");
    assert_eq!((gone.status, &gone.json["pool"]), (200, &"mistral".into()), "{}", gone.text);
    stage.get("/v1/pools/mistral").problem(404, "unknown-pool");
}

#[test]
fn why_says_what_happened_what_comes_and_what_helps() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    stage.crash(2);
    let why = stage.until("/v1/pools/llama/why", |why| why["state"] == "waiting");
    let because = why["because"].to_string();
    for part in ["backoff", "ago: CUDA error", "SIGSEGV", "byte 4711", "failed 1 time in a row"] {
        assert!(because.contains(part), "{part} is not in {because}");
    }
    assert!(why["next"].to_string().contains("`backoff` opens"), "{why}");
    assert!(why["actions"].to_string().contains("poolctl stop llama"), "{why}");

    let failed = stage.post("/v1/pools/broken/preload", "").json;
    let failed = stage.get(&format!("/v1/operations/{}?wait=10s", failed["id"])).json;
    assert_eq!((&failed["state"], &failed["verdict"]["class"]), (&"failed".into(), &"stage_failed".into()));
    let held = stage.get("/v1/pools/broken/why").json;
    assert_eq!(held["state"], "failed");
    assert!(held["next"].to_string().contains("looked at again"), "{held}");
    assert!(held["actions"].to_string().contains("poolctl preload broken"), "{held}");
}

#[test]
fn a_repeat_with_the_same_key_joins_the_first() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let drain = |key: &str| {
        let answer = stage.send("POST", "/v1/pools/llama/drain", &[("Idempotency-Key", key)], "");
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text);
        answer.json["id"].as_u64().unwrap()
    };
    let first = drain("one");
    stage.ready(&["llama"]);
    assert_eq!(drain("one"), first);
    assert_eq!(stage.get("/v1/pools/llama").json["ready"], true, "the repeat must not drain again");
    assert_ne!(drain("two"), first);
    let long = "k".repeat(65);
    stage
        .send("POST", "/v1/pools/llama/drain", &[("Idempotency-Key", &long)], "")
        .problem(400, "invalid-field");
}

#[test]
fn correlation_ids_are_echoed_or_made() {
    let stage = Stage::start();
    let made = stage.get("/health").headers["x-correlation-id"].clone();
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    assert_ne!(stage.get("/health").headers["x-correlation-id"], made);
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    for id in [uuid, "0123456789abcdef0123456789abcdef", "ticket 4711"] {
        let answer = stage.send("POST", "/v1/pools/mistral/stop", &[("X-Correlation-Id", id)], "");
        assert_eq!(answer.headers["x-correlation-id"], id);
        if id != "ticket 4711" {
            assert_eq!(answer.json["correlation_id"], "0123456789abcdef0123456789abcdef");
        }
    }
    for id in ["x".repeat(65), "ü".to_owned()] {
        let answer = stage.send("GET", "/health", &[("X-Correlation-Id", &id)], "");
        assert!(answer.problem(400, "invalid-field").contains("X-Correlation-Id"));
        assert_eq!(answer.headers["x-correlation-id"].len(), 32);
    }
}

#[test]
fn tokens_decide_who_may_look_and_who_may_act() {
    let stage = Stage::with(|api| api.tokens = Tokens::new(Some("look"), Some("act")));
    let ask = |method: &str, path: &str, token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str())];
        stage.send(method, path, if token.is_empty() { &[] } else { &headers }, "")
    };
    assert_eq!(ask("GET", "/health", "").status, 200);
    for path in ["/v1/pools", "/metrics", "/v1/events", "/nowhere"] {
        let refused = ask("GET", path, "");
        refused.problem(401, "no-token");
        assert!(refused.headers["www-authenticate"].starts_with("Bearer"));
        ask("GET", path, "wrong").problem(401, "no-token");
    }
    assert_eq!(ask("GET", "/v1/pools", "look").status, 200);
    assert_eq!(ask("GET", "/v1/pools", "act").status, 200);
    let changes = [
        ("POST", "/v1/pools/mistral/stop"),
        ("POST", "/v1/pools/mistral/leases"),
        ("DELETE", "/v1/leases/1-7-1-1"),
        ("DELETE", "/v1/pools/tiny"),
    ];
    for (method, path) in changes {
        ask(method, path, "").problem(401, "no-token");
        ask(method, path, "look").problem(403, "read-only-token");
        assert!(!matches!(ask(method, path, "act").status, 401 | 403), "{method} {path}");
    }
}

#[test]
fn web_pages_of_others_are_kept_out() {
    let stage = Stage::start();
    let host = |host: &str| stage.send("GET", "/v1/pools", &[("Host", host)], "");
    for evil in ["evil.example", "evil.example:7070", "127.0.0.1.evil.example"] {
        host(evil).problem(421, "wrong-host");
    }
    for own in ["localhost", "localhost:7070", "127.0.0.1", "[::1]:1"] {
        assert_eq!(host(own).status, 200, "{own}");
    }
    let from = |origin: &str| stage.send("POST", "/v1/pools/mistral/stop", &[("Origin", origin)], "");
    from("https://evil.example").problem(403, "foreign-origin");
    assert_eq!(from(&stage.url()).status, 200);
    let open = Stage::with(|api| api.hosts = Hosts::Any);
    assert_eq!(open.send("GET", "/v1/pools", &[("Host", "gpu-7.example")], "").status, 200);
}

#[test]
fn a_host_that_goes_down_says_so() {
    let stage = Stage::start();
    stage.ready(&["stubborn"]);
    // An engine that never ends keeps the supervisor from exiting.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(stage.driver.shut_down(Correlation([0, 0]))).unwrap();
    stage.until("/health", |health| health["status"] == "closing");
    for path in ["/v1/pools/llama/drain", "/v1/pools/llama/leases"] {
        let refused = stage.post(path, "");
        refused.problem(503, "shutting-down");
        assert!(refused.retry_after().is_some(), "{path}");
    }
}
