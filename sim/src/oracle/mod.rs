//! Oracles: what must hold after every step, whatever happens. One file each, named by its invariant.
//!
//! `world` shows every input and effect to every oracle, and the state after the step. An oracle keeps
//! its own books and never trusts the core's. Tests show oracles forged sequences that they must find.
//!
//! The safety invariants, in this project's words, and where each is looked at:
//!
//! | id | what must hold | where |
//! |---|---|---|
//! | S01 | ready exactly in phase Ready, unless suspect, with an engine that runs | `readiness` |
//! | S02 | the handoff file goes before any signal | `handoff_first` |
//! | S03 | no lease is granted while the pool does not admit | `admission` |
//! | S04 | the registry's version rises with what it shows | `registry_version` |
//! | S05 | a lost registry lease withdraws everything | none: there is no registry outside; readers ask the daemon itself |
//! | S06 | every pool has a port of its own | `ports` |
//! | S07 | ready only after a healthy answer of this very engine | `proven_ready` |
//! | S08 | what is published is what serves: a handoff file stands only for a ready engine | `handoff_truth` |
//! | S09 | one process a pool; none before the last was reaped | `one_process` |
//! | S10 | incarnations rise | `incarnations` |
//! | S11 | signals go only to what we made and did not reap | `signals` |
//! | S12 | KILL only after TERM and its grace | `ladder` |
//! | S13 | no process is forgotten | `orphans` |
//! | S14 | the window over restarts holds; a storm opens the circuit | `restart_window` |
//! | S15 | backoff by the policy, between floor and cap, forgiven by a stable run alone | `backoff` |
//! | S16 | every end is told and counted once | `ends_once` |
//! | S17 | what is wanted down is not spawned | `wanted_down` |
//! | S18 | pools share the limiter and the GPUs, and nothing else | `isolation` |
//! | S19 | nothing is started under policy while a circuit is open (devices are not reserved: masks may overlap, S20–S22 say what holds instead) | `circuits` |
//! | S20 | nothing is spawned before its own ports and devices were found free | `release_first` |
//! | S21 | nothing is spawned on a GPU that a stuck engine of another pool holds | `device_quarantine` |
//! | S22 | loads at once, and automatic restarts of all pools, stay within the limiter | `loads_at_once` |
//! | S23 | a drain admits nobody | `drain_closed` |
//! | S24 | a draining engine is signalled when nothing is in flight, or when that was cut | `term_after_drain` |
//! | S25 | leases are conserved, by the clients' own books | `lease_conservation` |
//! | S26 | no lease is taken from its holder before its time | `lease_ends` |
//! | S27 | a drain's deadline never moves later, but by a command | `drain_deadline` |
//! | S28 | a reload is all or nothing | `rollback` |
//! | S29 | a refused command changes nothing | `refusals` |
//! | S30 | ready count during a rollout | none: a pool is one engine, so a reload has a gap, which its drain announces |
//! | S31 | surge is bounded and has reservations | none: there is no surge; `one_process` forbids it |
//! | S32 | a reload to what serves already touches nothing | `same_model` |
//! | S33 | only what a reload was asked for is committed or tried; back only when asked | `no_way_back` |
//! | S34 | a shutdown starts nothing and leaves nothing behind | `closing`, `wanted_down`, `empty_exit` |
//! | S35 | exactly one reply per command | `replies` |
//! | S36 | what waits has a deadline, and none stays overdue | `deadlines`, `World::fire_timers` |
//! | S37 | a second timer at the same instant does nothing | `quiet_timer` |
//! | S38 | effects, events and replies of one input, and every queue, are bounded | `bounds` |
//! | S39 | the journal gives the state back | `World::start_supervisor` (J03 to J06) |
//! | S40 | events carry no text but an operator's own | `no_secrets` |
//! | W01 | a pool at rest runs no operation | `at_rest` |
//! | W02 | an effect is completed exactly once | `completions` |
//! | W03 | no file outlives its engine | `files` |

mod admission;
pub(crate) mod adoption;
mod at_rest;
mod backoff;
mod bounds;
mod circuits;
mod closing;
mod completions;
mod deadlines;
mod device_quarantine;
mod drain_closed;
mod drain_deadline;
mod empty_exit;
mod ends_once;
mod files;
#[cfg(test)]
mod forged;
mod handoff_first;
mod handoff_truth;
mod incarnations;
mod isolation;
mod ladder;
mod lease_conservation;
mod lease_ends;
mod loads_at_once;
mod no_secrets;
mod no_way_back;
mod one_process;
mod orphans;
mod ports;
mod proven_ready;
pub(crate) mod quiet_timer;
mod readiness;
mod refusals;
mod registry_version;
mod release_first;
mod replies;
mod restart_window;
mod rollback;
mod same_model;
mod signals;
mod starts;
mod term_after_drain;
mod wanted_down;

use std::fmt;

use pool_manager_core::{Effect, Event, HostConfig, Input, PoolUid, PoolView, Time, View};

use crate::clients::Clients;
use crate::disk::Disk;
use crate::process_table::ProcessTable;

/// The world as an oracle sees it.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The virtual clock.
    pub now: Time,
    /// The pool the step's input is about; `None`: every pool, or none in particular.
    pub about: Option<PoolUid>,
    /// What the core was told at its start.
    pub config: &'a HostConfig,
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

    /// The supervisor was started without all that it knew before: what was concluded from its past does not hold
    /// of its future.
    fn history_lost(&mut self) {}

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

            fn history_lost(&mut self) {
                $(self.$file.history_lost();)*
                self.added.iter_mut().for_each(|oracle| oracle.history_lost());
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
    admission::Admission,
    registry_version::RegistryVersion,
    ports::Ports,
    proven_ready::ProvenReady,
    handoff_truth::HandoffTruth,
    restart_window::RestartsInWindow,
    backoff::Backoff,
    ends_once::EndsOnce,
    isolation::Isolation,
    release_first::ReleaseFirst,
    device_quarantine::DeviceQuarantine,
    loads_at_once::LoadsAtOnce,
    drain_closed::DrainClosed,
    term_after_drain::TermAfterDrain,
    lease_ends::LeaseEnds,
    drain_deadline::DrainDeadline,
    refusals::Refusals,
    same_model::SameModel,
    no_way_back::NoWayBack,
    closing::Closing,
    bounds::Bounds,
    no_secrets::NoSecrets,
}

/// `Ok` when it holds.
pub(crate) fn hold(
    holds: bool,
    invariant: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}
