//! `Idempotency-Key`: a repeat of a command joins the operation that the first one began, and a repeat of a
//! lease ask gets the lease that the first one got.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use pool_manager_core::{Holder, LeaseId, OperationId, Priority, Verb};
use tokio::sync::{Mutex, MutexGuard};

use super::fields::is_token;
use super::problem::Problem;

/// The last 1000 keys of commands, as many as operations are kept, and the last 4096 of lease asks.
#[derive(Default)]
pub(super) struct Idempotency {
    seen: Mutex<Seen>,
    claims: std::sync::Mutex<Claims>,
}

/// What is asked for under a key of a lease ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) holder: Holder,
    pub(super) priority: Priority,
    pub(super) ttl: Option<Duration>,
}

/// What became of a keyed lease ask; nothing, until a lease is granted. Locked while it is asked, so that a
/// repeat waits for what the first one gets, and asks itself when that went away empty.
pub(super) type Claim = Arc<Mutex<Option<(Wish, LeaseId)>>>;

#[derive(Default)]
struct Claims {
    by_key: HashMap<Key, Claim>,
    oldest_first: VecDeque<Key>,
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
const CLAIMS_KEPT: usize = 4096;

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

    /// The claim of a lease ask's key.
    pub(super) fn claim(&self, key: &Key) -> Claim {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let Claims { by_key, oldest_first } = &mut *claims;
        if let Some(known) = by_key.get(key) {
            return Arc::clone(known);
        }
        let claim = Claim::default();
        by_key.insert(key.clone(), Arc::clone(&claim));
        oldest_first.push_back(key.clone());
        if oldest_first.len() > CLAIMS_KEPT
            && let Some(oldest) = oldest_first.pop_front()
        {
            by_key.remove(&oldest);
        }
        claim
    }
}

impl Seen {
    /// What the same command came to; another command under the same key is the caller's mistake.
    pub(super) fn find(&self, key: &Key, command: &Verb) -> Result<Option<Begun>, Problem> {
        match self.begun.get(key) {
            None => Ok(None),
            Some((known, begun)) if known == command => Ok(Some(*begun)),
            Some(_) => Err(reused()),
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

/// The key was used for something else.
pub(super) fn reused() -> Problem {
    let detail = "this key was used for another request on this pool; send a new key, or the same body";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", "Key reused", detail)
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
    fn a_key_of_a_lease_ask_is_one_claim_until_it_is_forgotten() {
        let key = |n: usize| Key { key: n.to_string(), pool: "a".to_owned(), verb: "leases".to_owned() };
        let idempotency = Idempotency::default();
        let first = idempotency.claim(&key(0));
        assert!(Arc::ptr_eq(&first, &idempotency.claim(&key(0))));
        for n in 1..=CLAIMS_KEPT {
            idempotency.claim(&key(n));
        }
        assert!(!Arc::ptr_eq(&first, &idempotency.claim(&key(0))));
    }

    #[test]
    fn a_key_must_be_readable() {
        let mut headers = HeaderMap::new();
        assert_eq!(Key::read(&headers, "a", "drain"), Ok(None));
        headers.insert("idempotency-key", HeaderValue::from_static(""));
        assert!(Key::read(&headers, "a", "drain").is_err());
    }
}
