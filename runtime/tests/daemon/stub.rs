//! How a pool of the stub engine is configured: everything that is a pace is scaled down.

use std::time::Duration;

/// Far more than anything with a stub engine takes; only a broken build waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One pool. `arguments` go to the engine, `keys` are further lines of the pool's table.
pub(crate) fn pool(name: &str, port: u16, arguments: &[&str], keys: &str) -> String {
    let command: Vec<String> = [env!("CARGO_BIN_EXE_stub-engine"), "--port", "${PORT}"]
        .iter()
        .chain(arguments)
        .map(|argument| format!("{argument:?}"))
        .collect();
    format!(
        "[pool.{name}]\nengine = \"http\"\ncommand = [{}]\nport = {port}\nstart.probe_interval = \"20ms\"\n\
         restart.backoff_initial = \"50ms\"\nrestart.backoff_floor = \"10ms\"\n{keys}\n",
        command.join(", "),
    )
}

/// One request to an engine: the moment `request:1` of its plan.
pub(crate) fn generate(engine_url: &str) {
    let ask = serde_json::json!({"prompt": "Tell me a story.", "max_tokens": 1});
    assert_eq!(ureq::post(format!("{engine_url}/v1/completions")).send_json(ask).unwrap().status(), 200);
}
