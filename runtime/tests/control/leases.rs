//! Leases over HTTP: their life, their refusals, and clients that go away.

use crate::stage::Stage;

#[test]
fn a_lease_is_granted_listed_renewed_and_ended() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let body = "{\"holder\":\"router-7\",\"priority\":\"batch\",\"ttl\":\"90s\"}";
    let granted = stage.post("/v1/pools/llama/leases", body);
    assert_eq!(granted.status, 201, "{}", granted.text);
    assert_eq!(granted.json["engine_url"], "http://127.0.0.1:9001");
    assert_eq!(
        (&granted.json["expires_in_seconds"], &granted.json["incarnation"]),
        (&90.0.into(), &"7.1".into())
    );
    let id = granted.json["id"].as_str().unwrap();
    let path = format!("/v1/leases/{id}");
    assert_eq!(granted.headers["location"], path);

    let listed = &stage.get("/v1/pools/llama/leases").json["leases"][0];
    assert_eq!((&listed["id"], &listed["holder"]), (&id.into(), &"router-7".into()));
    assert_eq!(listed["priority"], "batch");

    let renewed = stage.send("PUT", &path, &[], "{\"ttl\":300}").json["expires_in_seconds"].as_f64().unwrap();
    assert!((290.0..=300.0).contains(&renewed), "{renewed}");
    let forever = stage.send("PUT", &path, &[], "{\"ttl\":0}");
    assert!(forever.json["expires_in_seconds"].is_null(), "{}", forever.text);

    let ended = stage.send("DELETE", &path, &[], "");
    assert_eq!((ended.status, &ended.json["already_ended"]), (200, &false.into()));
    let again = stage.send("DELETE", &path, &[], "");
    assert_eq!((again.status, &again.json["already_ended"]), (200, &true.into()));
    stage.send("PUT", &path, &[], "").problem(409, "lease-ended");
    for unknown in ["2-7-1-99", "99-1-1-1", "nonsense"] {
        stage.send("DELETE", &format!("/v1/leases/{unknown}"), &[], "").problem(404, "unknown-lease");
        stage.send("PUT", &format!("/v1/leases/{unknown}"), &[], "").problem(404, "unknown-lease");
    }
}

#[test]
fn a_renewal_under_a_drain_ends_at_its_deadline() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let lease = stage.lease("llama");
    assert_eq!(stage.post("/v1/pools/llama/drain", "{\"deadline\":20}").status, 202);
    let renewed = stage.send("PUT", &format!("/v1/leases/{lease}"), &[], "{\"ttl\":300}");
    let left = renewed.json["expires_in_seconds"].as_f64().unwrap();
    assert!(left <= 20.0, "{left}");
}

#[test]
fn each_refusal_has_its_status_and_says_when_to_come_back() {
    let stage = Stage::start();
    stage.ready(&["llama", "tiny"]);
    let ask = |pool: &str| stage.post(&format!("/v1/pools/{pool}/leases"), "{}");

    let stopped = ask("mistral");
    assert!(stopped.problem(503, "not-ready").contains("stopped"));
    assert!(stopped.retry_after() >= Some(1));
    assert_eq!(stage.post("/v1/pools/slow/preload", "").status, 202);
    assert!(ask("slow").problem(503, "not-ready").contains("poolctl why slow"));

    let lease = stage.lease("tiny");
    let full = ask("tiny");
    full.problem(429, "full");
    assert_eq!((full.retry_after(), &full.json["retry_after_seconds"]), (Some(30), &30.into()));

    assert_eq!(stage.post("/v1/pools/tiny/drain", "{\"deadline\":\"40s\"}").status, 202);
    let draining = ask("tiny");
    draining.problem(409, "draining");
    assert!((30..=40).contains(&draining.retry_after().unwrap()), "{:?}", draining.retry_after());
    assert_eq!(stage.send("DELETE", &format!("/v1/leases/{lease}"), &[], "").status, 200);

    let _lease = stage.lease("llama");
    assert_eq!(stage.post("/v1/pools/llama/restart", "").status, 202);
    let reloading = ask("llama");
    reloading.problem(409, "reloading");
    assert!(reloading.retry_after() >= Some(1));
}

#[test]
fn an_ask_waits_for_a_slot_and_gets_it() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let leases = [stage.lease("llama"), stage.lease("llama")];
    let mut waiting = stage.open("POST", "/v1/pools/llama/leases", &[], "{}");
    stage.until("/v1/pools/llama/leases", |leases| leases["queued"] == 1);
    stage.send("DELETE", &format!("/v1/leases/{}", leases[0]), &[], "");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut waiting, &mut text).unwrap();
    assert_eq!(crate::stage::Reply::read(&text).status, 201, "{text}");
}

#[test]
fn an_ask_whose_client_went_away_is_taken_back() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let leases = [stage.lease("llama"), stage.lease("llama")];
    let waiting = stage.open("POST", "/v1/pools/llama/leases", &[], "{}");
    stage.until("/v1/pools/llama/leases", |leases| leases["queued"] == 1);
    drop(waiting);
    stage.until("/v1/pools/llama/leases", |leases| leases["queued"] == 0);
    for lease in leases {
        stage.send("DELETE", &format!("/v1/leases/{lease}"), &[], "");
    }
    let counts = &stage.get("/v1/pools/llama").json["leases"];
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!((count("granted"), count("completed"), count("active")), (2, 2, 0), "{counts}");
}

#[test]
fn a_repeat_under_the_same_key_is_the_same_lease() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let keyed = |key: &str, body: &str| {
        stage.send("POST", "/v1/pools/llama/leases", &[("Idempotency-Key", key)], body)
    };
    let body = "{\"holder\":\"router-7\",\"ttl\":90}";
    let (first, again) = (keyed("a", body), keyed("a", body));
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text);
    assert_eq!(first.json["id"], again.json["id"]);
    let left = again.json["expires_in_seconds"].as_f64().unwrap();
    assert!((80.0..=90.0).contains(&left), "{left}");
    keyed("a", "{\"ttl\":91}").problem(422, "key-reused");
    assert_ne!(keyed("b", body).json["id"], first.json["id"], "another key, another lease");

    // What the key got has ended: the repeat is told, and takes no slot.
    let id = first.json["id"].as_str().unwrap();
    assert_eq!(stage.send("DELETE", &format!("/v1/leases/{id}"), &[], "").status, 200);
    keyed("a", body).problem(409, "lease-ended");
    assert_eq!(stage.get("/v1/pools/llama").json["leases"]["active"], 1);
}

#[test]
fn a_repeat_of_an_ask_that_waits_gets_what_it_gets() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let leases = [stage.lease("llama"), stage.lease("llama")];
    let key = [("Idempotency-Key", "a")];
    let mut asks = [(); 2].map(|()| stage.open("POST", "/v1/pools/llama/leases", &key, "{}"));
    stage.until("/v1/pools/llama/leases", |leases| leases["queued"] == 1);
    stage.send("DELETE", &format!("/v1/leases/{}", leases[0]), &[], "");
    let ids = asks.each_mut().map(|ask| {
        let mut text = String::new();
        std::io::Read::read_to_string(ask, &mut text).unwrap();
        crate::stage::Reply::read(&text).json["id"].clone()
    });
    assert!(ids[0].is_string(), "{ids:?}");
    assert_eq!(ids[0], ids[1]);
}
