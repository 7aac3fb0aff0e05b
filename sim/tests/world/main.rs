//! The simulated world as a whole: deterministic, and hard on the core.

mod busy_host;
mod determinism;
mod found;
mod golden;
mod mission;
mod restart;
mod strikes;
mod sweep;
