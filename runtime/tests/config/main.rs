//! The config file as an operator meets it: what is accepted, what each preset runs, and the exact
//! line for each mistake.

mod another_model;
mod host_files;
mod reference;
mod right;
mod spec_hash;
mod wrong;

use pool_manager::config::{Config, PoolConfig};

pub(crate) fn parse(text: &str) -> Config {
    Config::parse(text, "host.toml").unwrap_or_else(|errors| panic!("{errors}\n---\n{text}"))
}

pub(crate) fn errors(text: &str) -> String {
    match Config::parse(text, "host.toml") {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(errors) => errors.to_string(),
    }
}

pub(crate) fn only_pool(text: &str) -> PoolConfig {
    let mut pools = parse(text).pools;
    assert_eq!(pools.len(), 1);
    pools.remove(0)
}

/// A pool that is right, with these lines from line 5 on.
pub(crate) fn chat(lines: &str) -> String {
    format!("[pool.chat]\nengine = \"llama-server\"\nmodel = \"/m/chat.gguf\"\nport = 8081\n{lines}\n")
}

/// A pool of any process, with these lines from line 3 on.
pub(crate) fn process(lines: &str) -> String {
    format!("[pool.job]\nengine = \"none\"\n{lines}\n")
}
