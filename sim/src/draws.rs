//! The draw log: in check mode every draw of every stream is noted, with who drew what and when, and the hash after
//! every step, so that two runs of one seed can be compared at the first thing they did differently.
//!
//! The log belongs to the thread, not to the streams: a draw must be noted wherever its stream lives, and a run
//! never leaves its thread. Nothing here is ever read by a run.

use std::cell::{Cell, RefCell};
use std::fmt;

use pool_manager_core::Time;

use crate::random::Entity;

/// Something that two runs of one seed have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// On the virtual clock.
    pub at: Time,
    /// What.
    pub what: What,
}

/// What is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A draw.
    Draw {
        /// Whose stream.
        whose: Entity,
        /// Which kind of draw.
        kind: &'static str,
        /// What came out.
        drawn: u64,
    },
    /// An input of the core or an effect.
    Step {
        /// The hash of everything up to and with it.
        hash: u64,
    },
}

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static NOW: Cell<Time> = const { Cell::new(Time::ZERO) };
    static LOG: RefCell<Vec<Noted>> = const { RefCell::new(Vec::new()) };
}

/// Does something with the log on, and gives what was noted meanwhile. Not to be nested.
pub fn logged<T>(work: impl FnOnce() -> T) -> (T, Vec<Noted>) {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            IS_ON.set(false);
        }
    }
    LOG.take();
    NOW.set(Time::ZERO);
    IS_ON.set(true);
    // Also where the work panics.
    let off = Off;
    let done = work();
    drop(off);
    (done, LOG.take())
}

/// The first difference between two runs, in a sentence; `None`: they did the same.
#[must_use]
pub fn first_difference(one: &[Noted], other: &[Noted]) -> Option<String> {
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    let said = |noted: Option<&Noted>| noted.map_or_else(|| "nothing more".to_owned(), Noted::to_string);
    let draws =
        one[..at.min(one.len())].iter().filter(|noted| matches!(noted.what, What::Draw { .. })).count();
    let (one, other) = (said(one.get(at)), said(other.get(at)));
    Some(format!("after {draws} equal draws: the first run {one}, the second {other}"))
}

/// A draw was made.
pub(crate) fn drawn(whose: Entity, kind: &'static str, drawn: u64) {
    if IS_ON.get() {
        note(What::Draw { whose, kind, drawn });
    }
}

/// The virtual clock was moved.
pub(crate) fn now(at: Time) {
    if IS_ON.get() {
        NOW.set(at);
    }
}

/// Something went into the core or came out.
pub(crate) fn step(hash: u64) {
    if IS_ON.get() {
        note(What::Step { hash });
    }
}

fn note(what: What) {
    LOG.with_borrow_mut(|log| log.push(Noted { at: NOW.get(), what }));
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, what } = self;
        match what {
            What::Draw { whose, kind, drawn } => write!(f, "drew {kind} = {drawn} for {whose:?} at {at}"),
            What::Step { hash } => write!(f, "came to hash {hash:016x} at {at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Run, Swarm};

    fn noted(seed: u64) -> Vec<Noted> {
        logged(|| Run::draw(seed, &Swarm::default()).to_end()).1
    }

    #[test]
    fn the_same_seed_draws_the_same_and_what_is_noted_ends_with_the_work() {
        let one = noted(1);
        assert!(one.len() > 1000, "{}", one.len());
        assert_eq!(first_difference(&one, &noted(1)), None);
        drawn(Entity::Weather, "bits", 1);
        assert_eq!(logged(|| ()).1, []);
    }

    #[test]
    fn the_first_difference_is_named_with_its_time() {
        let one = noted(1);
        let mut other = one.clone();
        let place = one.len() / 2;
        other[place] = Noted {
            at: Time::from_nanos(5_000_000_000),
            what: What::Draw { whose: Entity::Engines(2), kind: "below", drawn: 7 },
        };
        let said = first_difference(&one, &other).expect("one entry differs");
        assert!(said.ends_with("the second drew below = 7 for Engines(2) at 5.000s"), "{said}");
        let said = first_difference(&one, &one[..place]).expect("one is longer");
        assert!(said.ends_with("the second nothing more"), "{said}");
    }
}
