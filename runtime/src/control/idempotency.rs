//! `Idempotency-Key`: a repeat of a command joins the operation that the first one began.

use std::collections::{HashMap, VecDeque};

use axum::http::{HeaderMap, StatusCode};
use pool_manager_core::{OperationId, Verb};
use tokio::sync::{Mutex, MutexGuard};

use super::fields::is_token;
use super::problem::Problem;

/// The last 1000 keys: as many as operations are kept.
#[derive(Default)]
pub(super) struct Idempotency {
    seen: Mutex<Seen>,
}

/// What was begun under which key.
#[derive(Default)]
pub(super) struct Seen {
    begun: HashMap<Key, (Verb, Begun)>,
    oldest_first: VecDeque<Key>,
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It was done at once.
    Done,
    /// This operation.
    Operation(OperationId),
}

/// A key counts for one verb on one pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    key: String,
    pool: String,
    verb: String,
}

const KEPT: usize = 1000;

impl Key {
    /// The key a request brought, if any.
    pub(super) fn read(headers: &HeaderMap, pool: &str, verb: &str) -> Result<Option<Self>, Problem> {
        let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
        match key.to_str().ok().filter(|key| is_token(key)) {
            Some(key) => Ok(Some(Self { key: key.to_owned(), pool: pool.to_owned(), verb: verb.to_owned() })),
            None => Err(Problem::field("Idempotency-Key", "1 to 64 printable ASCII characters are accepted")),
        }
    }
}

impl Idempotency {
    /// Held while a command is given, so that two repeats cannot both be the first.
    pub(super) async fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().await
    }
}

impl Seen {
    /// What the same command came to; another command under the same key is the caller's mistake.
    pub(super) fn find(&self, key: &Key, command: &Verb) -> Result<Option<Begun>, Problem> {
        match self.begun.get(key) {
            None => Ok(None),
            Some((known, begun)) if known == command => Ok(Some(*begun)),
            Some(_) => {
                let detail =
                    "this key was used for another request on this pool; send a new key, or the same body";
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", "Key reused", detail))
            }
        }
    }

    pub(super) fn keep(&mut self, key: Key, command: Verb, begun: Begun) {
        if self.begun.insert(key.clone(), (command, begun)).is_none() {
            self.oldest_first.push_back(key);
        }
        if self.oldest_first.len() > KEPT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.begun.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_last_thousand_keys_are_known() {
        let key = |n: usize| Key { key: n.to_string(), pool: "a".to_owned(), verb: "drain".to_owned() };
        let mut seen = Seen::default();
        for n in 0..=KEPT {
            seen.keep(key(n), Verb::Preload, Begun::Operation(OperationId(n as u64)));
        }
        let find = |key| seen.find(&key, &Verb::Preload);
        assert_eq!(find(key(0)), Ok(None));
        assert_eq!(find(key(1)), Ok(Some(Begun::Operation(OperationId(1)))));
        assert_eq!(find(Key { verb: "stop".to_owned(), ..key(1) }), Ok(None));
    }

    #[test]
    fn a_key_must_be_readable() {
        let mut headers = HeaderMap::new();
        assert_eq!(Key::read(&headers, "a", "drain"), Ok(None));
        headers.insert("idempotency-key", HeaderValue::from_static(""));
        assert!(Key::read(&headers, "a", "drain").is_err());
    }
}
