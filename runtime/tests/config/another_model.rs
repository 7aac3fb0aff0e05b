//! The same pool with another model.

use std::time::Duration;

use pool_manager::config::PoolConfig;

use crate::{chat, only_pool, process};

#[test]
fn a_pool_can_be_made_again_with_another_model() {
    let pool = only_pool(&chat("model_size = \"10GiB\"\nengine_version = \"b5000\"\nlease.slots = 2"));
    let other = pool.with_model("/m/other.gguf").unwrap();
    assert_eq!(
        other.launch.argv.join(" "),
        "llama-server --host 127.0.0.1 --port 8081 -m /m/other.gguf -np 2"
    );
    assert_eq!(other.spec.engine.catalog.model, "/m/other.gguf");
    assert_eq!(other.spec.engine.catalog.engine_version.as_deref(), Some("b5000"));
    assert_ne!(other.spec.engine.hash, pool.spec.engine.hash);
    assert_eq!(other.spec.policy.start.timeout, Duration::from_secs(120));
    assert_eq!(other.spec.policy.lease, pool.spec.policy.lease);
    let back = other.with_model("/m/chat.gguf").unwrap();
    assert_eq!(back.spec.engine.hash, pool.spec.engine.hash);
    let same = pool.with_model("/m/chat.gguf").unwrap();
    assert_eq!(same.spec, pool.spec);
}

#[test]
fn a_model_that_a_pool_cannot_serve_is_refused_in_one_line() {
    let refusal = |pool: &PoolConfig, model: &str| pool.with_model(model).unwrap_err().to_string();
    let llama = only_pool(&chat(""));
    assert_eq!(
        refusal(&llama, "m.gguf"),
        "host.toml:1: pool.chat.model: \"m.gguf\" is not an absolute path; write it from / on"
    );
    assert_eq!(
        refusal(&llama, "-x"),
        "host.toml:1: pool.chat.model: \"-x\" cannot be a model; write a path or a name"
    );
    assert_eq!(
        refusal(&llama, ""),
        "host.toml:1: pool.chat.model: is empty; write the path or name of a model"
    );
    let fixed = only_pool(&process("command = [\"/e\"]\nmodel = \"/m\""));
    assert_eq!(
        refusal(&fixed, "/n"),
        "host.toml:1: pool.job.model: the pool's command has no ${MODEL}, so it cannot be given another model; add it to command"
    );
}
