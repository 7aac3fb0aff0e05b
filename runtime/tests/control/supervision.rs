//! Circuits and what an operator can do about them. The pool `tiny` opens a circuit at its first failure.

use crate::poolctl::run;
use crate::stage::Stage;

/// `tiny`, ready once and crashed once.
fn opened() -> Stage {
    let stage = Stage::start();
    stage.ready(&["tiny"]).crash(6);
    stage.until("/v1/pools/tiny", |pool| pool["state"] == "failed");
    stage
}

#[test]
fn an_open_circuit_is_shown_and_says_what_helps() {
    let stage = opened();
    let pool = stage.get("/v1/pools/tiny").json;
    let circuits = pool["circuits"].as_array().unwrap();
    let states: Vec<_> = circuits.iter().map(|circuit| (&circuit["circuit"], &circuit["state"])).collect();
    assert_eq!(states, [(&"general".into(), &"closed".into()), (&"cuda".into(), &"open".into())]);
    assert_eq!((&circuits[1]["failures"], &circuits[1]["opens_at"]), (&1.into(), &1.into()));
    let left = circuits[1]["in_seconds"].as_f64().unwrap();
    assert!((200.0..=300.0).contains(&left), "{left}");
    let gates: Vec<_> = pool["gates"].as_array().unwrap().iter().map(|gate| &gate["gate"]).collect();
    assert!(gates.contains(&&"circuit".into()), "{pool}");

    let why = stage.get("/v1/pools/tiny/why").json;
    assert!(why["summary"].as_str().unwrap().contains("a circuit is open"), "{why}");
    assert!(why["because"].to_string().contains("Circuit `cuda` is open for"), "{why}");
    assert!(why["next"].to_string().contains("`circuit` opens"), "{why}");
    for command in ["poolctl allow-restart tiny", "poolctl reset-breaker tiny"] {
        assert!(why["actions"].to_string().contains(command), "{why}");
    }
    let (code, text, _) = run(&stage, "status tiny");
    assert!(code == 0 && text.contains("circuit:          cuda: open for"), "{text}");

    let refused = stage.post("/v1/pools/tiny/preload", "");
    let detail = refused.problem(409, "circuit-open");
    for verb in ["allow-restart", "reset-breaker", "reload"] {
        assert!(detail.contains(&format!("poolctl {verb} tiny")), "{detail}");
    }
    assert!(refused.retry_after().is_some_and(|wait| (200..=300).contains(&wait)));
}

#[test]
fn a_restart_that_is_allowed_comes_now_and_leaves_the_circuit() {
    let stage = opened();
    let allowed = stage.post("/v1/pools/tiny/allow-restart", "");
    assert_eq!((allowed.status, &allowed.json["id"]), (200, &"tiny".into()), "{}", allowed.text);
    let pool = stage.until("/v1/pools/tiny", |pool| pool["ready"] == true);
    assert_eq!(pool["circuits"][1]["state"], "open", "{pool}");
    assert_eq!(pool["restarts"]["allowed"], false, "once is once: {pool}");
}

#[test]
fn reset_closes_the_circuits_and_reload_is_a_way_out_too() {
    let stage = opened();
    let reset = stage.post("/v1/pools/tiny/reset-breaker", "");
    assert_eq!((reset.status, &reset.json["failures"]), (200, &0.into()), "{}", reset.text);
    assert_eq!(reset.json["circuits"][1]["state"], "closed");

    let stage = opened();
    let begun = stage.post("/v1/pools/tiny/reload", "{\"model\":\"good-v2\"}");
    let ended = stage.get(&format!("/v1/operations/{}?wait=10s", begun.json["id"])).json;
    assert_eq!(ended["state"], "completed", "{ended}");
    let pool = stage.get("/v1/pools/tiny").json;
    assert_eq!((&pool["ready"], &pool["circuits"][1]["state"]), (&true.into(), &"closed".into()));
}

#[test]
fn nothing_is_allowed_where_no_engine_is_wanted() {
    let stage = Stage::start();
    stage.post("/v1/pools/llama/allow-restart", "").problem(409, "not-wanted");
    let refused = stage.post("/v1/pools/llama/allow-restart", "{\"times\":2}");
    assert!(refused.problem(400, "invalid-field").contains("`times`"));
    let lama = stage.post("/v1/pools/lama/reset-breaker", "");
    assert!(lama.problem(404, "unknown-pool").contains("llama"));
}

#[test]
fn a_repeat_with_the_same_key_allows_one_restart() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let allow = || {
        let key = [("Idempotency-Key", "one")];
        let answer = stage.send("POST", "/v1/pools/llama/allow-restart", &key, "");
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["restarts"]["allowed"].clone()
    };
    assert_eq!(allow(), true);
    // The one start it allowed is used up.
    stage.crash(2);
    stage.until("/v1/pools/llama", |pool| pool["ready"] == true && pool["engine"]["incarnation"] != "7.1");
    assert_eq!(allow(), false);
}

#[test]
fn poolctl_says_what_it_did() {
    let stage = opened();
    let (code, text, _) = run(&stage, "allow-restart tiny");
    assert!(code == 0 && text.starts_with("tiny: the restart that waited comes now"), "{text}");
    let (code, text, _) = run(&stage, "reset-breaker tiny");
    assert!(code == 0 && text.starts_with("tiny: both circuits are closed"), "{text}");
    let (code, text, _) = run(&stage, "status tiny");
    assert!(code == 0 && text.contains("circuit:          cuda: closed, 0 of 1 failures in a row"), "{text}");
    let (code, _, errors) = run(&stage, "allow-restart llama");
    assert!(code == 1 && errors.contains("preload it instead"), "{errors}");
}
