//! The identity of what is executed: equal hashes mean that no new incarnation is needed.
//!
//! The hash is xxh3-64 over a canonical encoding of, in this order: pool name, engine, engine
//! version, model, digest, argv, environment (sorted by name), working directory, devices, port,
//! core dumps. Policy and health paths are not part of it: they are live at the next decision.
//! The pool's name is, because launches are looked up by hash alone and log directory and PID file
//! follow from the name.
//!
//! Encoding: an optional field is its count (0 or 1), a list its length, a text its length in bytes
//! and its bytes; every number is a little-endian u64. So no two different specs share an encoding.
//! The hash is kept in the journal over restarts of the daemon: changing anything here makes every
//! pool reload once after an upgrade. It is no secret-keeping function; what it covers may be
//! guessed at by whoever knows the rest, so a secret in `env` needs to be long.

use pool_manager_core::SpecHash;
use xxhash_rust::xxh3::xxh3_64;

use crate::launch::Launch;

/// The hash of an engine started this way.
pub(super) fn spec_hash(launch: &Launch, port: Option<u16>) -> SpecHash {
    let mut encoding = Encoding(b"pool-manager spec 1".to_vec());
    encoding.text(launch.pool.as_str());
    encoding.text(&launch.catalog.engine);
    encoding.texts(launch.catalog.engine_version.as_slice());
    encoding.text(&launch.catalog.model);
    encoding.texts(launch.catalog.digest.as_slice());
    encoding.texts(&launch.argv);
    let mut env: Vec<&(String, String)> = launch.env.iter().collect();
    env.sort();
    encoding.number(env.len() as u64);
    for (name, value) in env {
        encoding.text(name);
        encoding.text(value);
    }
    let working_dir = launch.working_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
    encoding.texts(working_dir.as_slice());
    encoding.texts(&launch.device_mask);
    encoding.number(port.map_or(0, u64::from));
    encoding.number(u64::from(launch.core_dumps));
    SpecHash(xxh3_64(&encoding.0))
}

struct Encoding(Vec<u8>);

impl Encoding {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }
}
