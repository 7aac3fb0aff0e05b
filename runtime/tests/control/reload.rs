//! Reload: by HTTP and by `poolctl`, done, rolled back, given up, refused.

use crate::poolctl::run;
use crate::stage::{Reply, Stage};

impl Stage {
    /// Reloads and waits for the end.
    fn reload(&self, pool: &str, body: &str) -> Reply {
        let begun = self.post(&format!("/v1/pools/{pool}/reload"), body);
        assert!(matches!(begun.status, 200 | 202), "{}", begun.text);
        self.get(&format!("/v1/operations/{}?wait=10s", begun.json["id"]))
    }

    fn model(&self, pool: &str) -> String {
        let status = self.get(&format!("/v1/pools/{pool}")).json;
        assert_eq!(status["ready"], true, "{status}");
        status["catalog"]["model"].as_str().unwrap().to_owned()
    }
}

#[test]
fn another_model_serves_in_the_place_of_the_one_before_and_back_again() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let before = stage.get("/v1/pools/llama").json;
    assert_eq!(before["previous"], serde_json::Value::Null);
    stage.post("/v1/pools/llama/reload", "{\"back\":true}").problem(409, "no-previous");

    let done = stage.reload("llama", "{\"model\":\"good-v2\"}").json;
    assert_eq!((&done["kind"], &done["state"]), (&"reload".into(), &"completed".into()), "{done}");
    assert_eq!(stage.model("llama"), "good-v2");
    let after = stage.get("/v1/pools/llama").json;
    assert_eq!(after["previous"]["model"], "/models/llama.gguf");
    for kept in ["id", "port", "url", "device_mask"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    let why = stage.get("/v1/pools/llama/why").json;
    assert!(why["actions"].to_string().contains("poolctl reload llama --back"), "{why}");

    let back = stage.reload("llama", "{\"back\":true}").json;
    assert_eq!(back["state"], "completed", "{back}");
    assert_eq!(stage.model("llama"), "/models/llama.gguf");
}

#[test]
fn the_model_that_serves_already_is_done_at_once_unless_forced() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let incarnation = || stage.get("/v1/pools/llama").json["engine"]["incarnation"].clone();
    let first = incarnation();
    let same = stage.reload("llama", "{\"model\":\"/models/llama.gguf\"}").json;
    assert_eq!((&same["state"], &incarnation()), (&"completed".into(), &first), "{same}");
    let forced = stage.reload("llama", "{\"model\":\"/models/llama.gguf\",\"force\":true}").json;
    assert_eq!(forced["state"], "completed", "{forced}");
    assert_ne!(incarnation(), first);
}

#[test]
fn a_model_that_does_not_start_is_rolled_back_with_the_reason() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let ended = stage.reload("llama", "{\"model\":\"unstartable\"}").json;
    assert_eq!((&ended["state"], &ended["succeeded"]), (&"rolled_back".into(), &false.into()), "{ended}");
    assert_eq!(ended["verdict"]["class"], "spawn_failed", "{ended}");
    assert_eq!(stage.model("llama"), "/models/llama.gguf");
    let missing = stage.reload("llama", "{\"model\":\"broken\"}").json;
    assert_eq!((&missing["state"], &missing["verdict"]["class"]), (&"failed".into(), &"stage_failed".into()));
    assert_eq!(stage.model("llama"), "/models/llama.gguf");
}

#[test]
fn leases_that_outlast_the_drain_end_the_reload_or_are_cut() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let lease = stage.lease("llama");
    let given_up = stage.reload("llama", "{\"model\":\"good-v2\",\"deadline\":\"50ms\"}").json;
    assert_eq!((&given_up["state"], &given_up["succeeded"]), (&"timed_out".into(), &false.into()));
    assert_eq!(stage.model("llama"), "/models/llama.gguf");
    let body = "{\"model\":\"good-v2\",\"deadline\":\"50ms\",\"on_drain_timeout\":\"force\"}";
    stage.reload("llama", body);
    assert_eq!(stage.model("llama"), "good-v2");
    let ended = stage.send("DELETE", &format!("/v1/leases/{lease}"), &[], "").json;
    assert_eq!(ended["how"], "cut", "{ended}");
}

#[test]
fn leases_are_refused_while_it_drains_and_another_reload_too() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let _lease = stage.lease("llama");
    assert_eq!(stage.post("/v1/pools/llama/reload", "{\"model\":\"good-v2\"}").status, 202);
    stage.until("/v1/pools/llama", |pool| pool["draining"] == true);
    let refused = stage.post("/v1/pools/llama/leases", "{}");
    refused.problem(409, "reloading");
    assert!(refused.retry_after().is_some());
    stage.post("/v1/pools/llama/reload", "{\"model\":\"good-v3\"}").problem(409, "busy");
}

#[test]
fn what_a_reload_cannot_mean_is_refused_with_its_place() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    for (body, field, part) in [
        ("", "model", "missing"),
        ("{}", "model", "`\"back\": true`"),
        ("{\"model\":\"a\",\"back\":true}", "back", "one of them"),
        ("{\"model\":\"\"}", "model", "4096"),
        ("{\"model\":7}", "model", "text"),
        ("{\"model\":\"-x\"}", "model", "cannot be a model"),
        ("{\"back\":\"yes\"}", "back", "true or false"),
        ("{\"back\":true,\"force\":1}", "force", "true or false"),
        ("{\"back\":true,\"deadline\":\"25h\"}", "deadline", "1day"),
        ("{\"back\":true,\"on_drain_timeout\":\"wait\"}", "on_drain_timeout", "\"abort\" or \"force\""),
        ("{\"modle\":\"a\"}", "modle", "did you mean `model`?"),
    ] {
        let answer = stage.post("/v1/pools/llama/reload", body);
        let detail = answer.problem(400, "invalid-field");
        assert!(detail.contains(part), "{body}: {detail}");
        assert_eq!(answer.json["field"], field, "{body}");
    }
    let broken = stage.post("/v1/pools/llama/reload", "{\n\"model\": }");
    broken.problem(400, "malformed-json");
    assert_eq!(broken.json["line"], 2);
    stage.post("/v1/pools/mistral/reload", "{\"model\":\"good\"}").problem(409, "fixed-model");
    let unknown = stage.post("/v1/pools/lama/reload", "{\"model\":\"good\"}");
    assert!(unknown.problem(404, "unknown-pool").contains("did you mean `llama`?"));
    assert_eq!(stage.model("llama"), "/models/llama.gguf", "nothing was touched");
}

#[test]
fn a_repeat_with_the_same_key_reloads_once() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let reload = || {
        let body = "{\"model\":\"good-v2\"}";
        let answer = stage.send("POST", "/v1/pools/llama/reload", &[("Idempotency-Key", "one")], body);
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text);
        answer.json["id"].clone()
    };
    assert_eq!(reload(), reload());
    let other = "{\"model\":\"good-v3\"}";
    let answer = stage.send("POST", "/v1/pools/llama/reload", &[("Idempotency-Key", "one")], other);
    answer.problem(422, "key-reused");
}

#[test]
fn poolctl_waits_and_lets_its_exit_code_say_how_it_ended() {
    let stage = Stage::start();
    stage.ready(&["llama"]);
    let (code, text, errors) = run(&stage, "reload llama --model good-v2 --wait");
    assert_eq!((code, text.as_str()), (0, "llama: reload completed\n"), "{errors}");
    let (code, text, _) = run(&stage, "status llama");
    assert!(code == 0 && text.contains("model:            good-v2"), "{text}");
    assert!(text.contains("model before:     /models/llama.gguf"), "{text}");
    let (code, text, errors) = run(&stage, "reload llama --back --wait");
    assert_eq!((code, text.as_str()), (0, "llama: reload completed\n"), "{errors}");
    let (code, _, errors) = run(&stage, "reload llama --model unstartable --wait");
    assert_eq!(code, 1);
    assert!(errors.contains("rolled back to the old model: spawn failed"), "{errors}");
    let _lease = stage.lease("llama");
    let (code, _, errors) = run(&stage, "reload llama --model good-v3 --deadline 0.05 --wait");
    assert!(code == 1 && errors.contains("timed out"), "{errors}");
    let forced = "reload llama --model good-v3 --deadline 50ms --on-drain-timeout force --force --wait";
    assert_eq!(run(&stage, forced).0, 0);
    for usage in ["reload llama", "reload llama --model a --back", "reload llama --back --on-drain-timeout x"]
    {
        assert_eq!(run(&stage, usage).0, 2, "{usage}");
    }
}
