//! Signals to the supervisor.
//!
//! The core knows no HUP (G3, G4): what a new config file asks for reaches it as commands, one a pool. INT is TERM.
//! After a clean end the service manager starts the supervisor again, so a run goes on.

pub(super) mod exits_coalesced;
pub(super) mod term;
pub(super) mod term_mid_reload;
pub(super) mod term_then_kill;
pub(super) mod term_twice;
