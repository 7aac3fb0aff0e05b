//! Oracles: what must hold after every step, whatever happens. One file each, named by its invariant.
//!
//! `world` shows every input and effect to every oracle, and the state after the step. An oracle keeps
//! its own books and never trusts the core's.

mod at_rest;
mod circuits;
mod completions;
mod deadlines;
mod empty_exit;
mod files;
mod handoff_first;
mod incarnations;
mod ladder;
mod lease_conservation;
mod one_process;
mod orphans;
mod readiness;
mod replies;
mod rollback;
mod signals;
mod wanted_down;

use std::fmt;

use pool_manager_core::{Effect, Event, Input, PoolView, Time, View};

use crate::clients::Clients;
use crate::disk::Disk;
use crate::process_table::ProcessTable;

/// The world as an oracle sees it.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The virtual clock.
    pub now: Time,
    /// What the core shows.
    pub view: View<'a>,
    /// What really runs.
    pub processes: &'a ProcessTable,
    /// What really is on disk.
    pub disk: &'a Disk,
    /// What clients know.
    pub clients: &'a Clients,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: a letter, two digits, and what must hold.
    pub invariant: &'static str,
    /// What was seen instead.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.invariant, self.detail)
    }
}

/// One invariant with its own books.
pub trait Oracle: fmt::Debug {
    /// An input is about to go into the core; the view is that before it.
    ///
    /// # Errors
    /// When it breaks the invariant.
    fn input(&mut self, _input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// An effect came out, and is not carried out yet. The view is that after the whole step.
    ///
    /// # Errors
    /// When it breaks the invariant.
    fn effect(&mut self, _effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// An event came out. The view is that after the whole step.
    ///
    /// # Errors
    /// When it breaks the invariant.
    fn event(&mut self, _event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// The step is over, and it touched this pool: most invariants are of one pool, and one that was not touched
    /// is as it was. After every turn one more pool is looked at all the same, each in its turn.
    ///
    /// # Errors
    /// When its end breaks the invariant.
    fn pool(&mut self, _pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// The step is over: for what is true of the host and not of one pool.
    ///
    /// # Errors
    /// When its end breaks the invariant.
    fn step(&mut self, _observed: Observed<'_>) -> Result<(), Violation> {
        Ok(())
    }
}

macro_rules! oracles {
    ($($file:ident::$Oracle:ident,)*) => {
        /// Every oracle, with those a test added. Asked without a table of methods: most oracles look at few
        /// kinds of things, and what they do not look at costs nothing.
        #[derive(Debug, Default)]
        pub(crate) struct Oracles {
            $($file: $file::$Oracle,)*
            added: Vec<Box<dyn Oracle>>,
        }

        impl Oracles {
            /// Adds one to the built-in ones.
            pub(crate) fn add(&mut self, oracle: Box<dyn Oracle>) {
                self.added.push(oracle);
            }
        }

        impl Oracle for Oracles {
            fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
                $(self.$file.input(input, before)?;)*
                self.added.iter_mut().try_for_each(|oracle| oracle.input(input, before))
            }

            fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
                $(self.$file.effect(effect, observed)?;)*
                self.added.iter_mut().try_for_each(|oracle| oracle.effect(effect, observed))
            }

            fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
                $(self.$file.event(event, observed)?;)*
                self.added.iter_mut().try_for_each(|oracle| oracle.event(event, observed))
            }

            fn pool(&mut self, pool: &PoolView<'_>, observed: Observed<'_>) -> Result<(), Violation> {
                $(self.$file.pool(pool, observed)?;)*
                self.added.iter_mut().try_for_each(|oracle| oracle.pool(pool, observed))
            }

            fn step(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
                $(self.$file.step(observed)?;)*
                self.added.iter_mut().try_for_each(|oracle| oracle.step(observed))
            }
        }
    };
}

oracles! {
    completions::Completions,
    readiness::Readiness,
    handoff_first::HandoffFirst,
    one_process::OneProcess,
    incarnations::Incarnations,
    signals::Signals,
    ladder::KillAfterTerm,
    orphans::Orphans,
    wanted_down::WantedDown,
    circuits::Circuits,
    empty_exit::EmptyExit,
    lease_conservation::LeaseConservation,
    rollback::AllOrNothing,
    replies::Replies,
    deadlines::Deadlines,
    at_rest::AtRest,
    files::Files,
}

/// `Ok` when it holds.
fn hold(holds: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}
