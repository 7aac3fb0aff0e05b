//! A router: asks for leases under keys, renews and ends them, forgets some, and writes down what it must
//! believe about each. Its requests are repeated until they are answered, as good clients do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::caller::{Ask, Caller};
use crate::dice::Dice;
use crate::log::{Log, now};
use crate::supervisor::POOLS;

/// What all routers of a run know of the leases they asked for, by key, which is the holder's name too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books(Arc<Mutex<BTreeMap<String, Claim>>>);

/// One lease that was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim {
    pub(crate) pool: String,
    /// What it is called, once an answer said so.
    pub(crate) id: Option<String>,
    /// Asks under this key that were not answered: the supervisor may have heard them.
    pub(crate) unanswered: u64,
    /// Unless the supervisor took it, it lives at least until then.
    pub(crate) must_live_until: Duration,
    /// It does not live longer than that.
    pub(crate) may_live_until: Duration,
}

impl Books {
    pub(crate) fn claims(&self) -> BTreeMap<String, Claim> {
        self.0.lock().unwrap().clone()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Claim>> {
        self.0.lock().unwrap()
    }
}

/// How a router behaves.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) name: String,
    /// It begins no new work after this.
    pub(crate) until: Duration,
    /// The longest it waits for one answer.
    pub(crate) patience: Duration,
    /// Its network is never bad: each of its requests must be answered.
    pub(crate) sheltered: bool,
}

pub(crate) struct Router {
    manner: Manner,
    caller: Caller,
    dice: Dice,
    books: Books,
    log: Log,
    start: u64,
    asked: u64,
    /// Keys and ids of the leases it works under.
    held: Vec<(String, String)>,
}

const MOST_HELD: usize = 4;

impl Router {
    /// `start` is how often its host was started before.
    pub(crate) fn new(manner: Manner, dice: Dice, books: Books, log: Log, start: u64) -> Self {
        let caller = Caller::new(&manner.name, log.clone());
        Self { manner, caller, dice, books, log, start, asked: 0, held: Vec::new() }
    }

    pub(crate) async fn run(mut self) -> turmoil::Result {
        while now() < self.manner.until {
            tokio::time::sleep(self.dice.millis(10, 500)).await;
            match self.dice.below(6) {
                0..=2 if self.held.len() < MOST_HELD => self.ask().await,
                3 => self.renew().await,
                _ => self.end().await,
            }
            if self.dice.one_in(4) {
                self.caller.hang_up();
            }
        }
        Ok(())
    }

    async fn ask(&mut self) {
        self.asked += 1;
        let key = format!("{}.{}.{}", self.manner.name, self.start, self.asked);
        let pool = (*self.dice.pick(&POOLS)).to_owned();
        let priority = *self.dice.pick(&["interactive", "batch"]);
        let ttl = self.dice.below(12) + 3;
        let body = format!(r#"{{"holder":"{key}","priority":"{priority}","ttl":{ttl}}}"#);
        let path = format!("/v1/pools/{pool}/leases");
        self.books.open().insert(key.clone(), Claim { pool, ..Claim::default() });
        for _ in 0..8 {
            let ask = Ask::new("POST", &path, &body).key(&key).patience(self.patience()).hasty(self.haste());
            // Written before it is sent: a crash of this router leaves it open what became of it.
            self.note(&key, |claim| claim.unanswered += 1);
            match self.caller.send(&ask).await {
                Ok(answer) => {
                    self.note(&key, |claim| claim.unanswered -= 1);
                    if answer.status == 201 {
                        let id = answer.text("id");
                        let left = answer.json["expires_in_seconds"].as_f64().expect("every ask has a ttl");
                        let left = Duration::from_secs_f64(left);
                        self.note(&key, |claim| {
                            claim.id = Some(id.clone());
                            claim.must_live_until = answer.sent + left;
                            claim.may_live_until = answer.received + left;
                        });
                        if !self.dice.one_in(5) {
                            self.held.push((key, id));
                        }
                    } else {
                        // Refused; or what an unanswered ask got has ended by now.
                        assert!(matches!(answer.status, 409 | 429 | 503), "{}", answer.json);
                    }
                    return;
                }
                Err(broken) => {
                    assert!(!self.manner.sheltered, "{key}: {broken} on a good network");
                    tokio::time::sleep(self.dice.millis(10, 800)).await;
                }
            }
        }
        self.log.say(&self.manner.name, format_args!("gives {key} up"));
    }

    async fn renew(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let (key, id) = self.dice.pick(&self.held).clone();
        let ttl = Duration::from_secs(self.dice.below(12) + 3);
        let body = format!(r#"{{"ttl":{}}}"#, ttl.as_secs());
        let ask = Ask::new("PUT", format!("/v1/leases/{id}"), body).patience(self.patience());
        self.note(&key, |claim| claim.must_live_until = claim.must_live_until.min(now() + ttl));
        match self.caller.send(&ask).await {
            Ok(answer) if answer.status == 200 => {
                let left = answer.json["expires_in_seconds"].as_f64().expect("the renewal has a ttl");
                let left = Duration::from_secs_f64(left);
                self.note(&key, |claim| {
                    // The ask that the supervisor never answered may come late, and shorten it again.
                    if claim.must_live_until > Duration::ZERO {
                        claim.must_live_until = answer.sent + left;
                    }
                    claim.may_live_until = claim.may_live_until.max(answer.received + left);
                });
            }
            Ok(answer) => {
                assert_eq!(answer.status, 409, "a lease that was granted is not unknown: {}", answer.json);
                self.note(&key, |claim| claim.may_live_until = answer.received);
                self.held.retain(|(held, _)| *held != key);
            }
            Err(broken) => {
                assert!(!self.manner.sheltered, "{key}: {broken} on a good network");
                self.note(&key, |claim| {
                    claim.must_live_until = Duration::ZERO;
                    claim.may_live_until = Duration::MAX;
                });
            }
        }
    }

    async fn end(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let place = self.dice.below(self.held.len() as u64) as usize;
        let (key, id) = self.held.swap_remove(place);
        self.note(&key, |claim| claim.must_live_until = Duration::ZERO);
        for _ in 0..8 {
            let ask = Ask::new("DELETE", format!("/v1/leases/{id}"), "").patience(self.patience());
            match self.caller.send(&ask).await {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.json);
                    self.note(&key, |claim| claim.may_live_until = answer.received);
                    return;
                }
                Err(broken) => {
                    assert!(!self.manner.sheltered, "{key}: {broken} on a good network");
                    tokio::time::sleep(self.dice.millis(10, 800)).await;
                }
            }
        }
    }

    fn patience(&mut self) -> Duration {
        if self.manner.sheltered {
            return self.manner.patience;
        }
        self.dice.millis(300, self.manner.patience.as_millis() as u64)
    }

    /// Some hang up when the request has hardly been sent.
    fn haste(&mut self) -> Option<Duration> {
        (!self.manner.sheltered && self.dice.one_in(4)).then(|| self.dice.millis(1, 40))
    }

    fn note(&self, key: &str, note: impl FnOnce(&mut Claim)) {
        note(self.books.open().get_mut(key).expect("it was opened"));
    }
}
