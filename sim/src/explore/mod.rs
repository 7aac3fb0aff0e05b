//! Exhaustive search of small worlds: every state that the real core can get into with a pool or two, a few leases,
//! a few faults and a few acts of an operator. Called by `poolsim explore` and by tests.
//!
//! ```text
//! state ─ moves ─→ every next state ─ always? ─→ known already? ─→ later ─┐
//!   ↑─────────────────────────────────────────────────────────────────────┘
//! ```
//! `state` is a host with the world around it, `moves` says what may happen next, `step` lets it happen, `always` is
//! what must hold after each step, `marks` what must happen *sometimes*, `settle` that every state can come to rest
//! again when the faults stop. `search` goes through the states, `table` remembers them, `path` tells the way to one.
//!
//! **What is simplified, and why that loses nothing or little.**
//!
//! - *Time* moves only when a deadline fires, and then exactly to it: what happens between two deadlines happens at the
//!   first of them. So every order of answers and deadlines is tried, not every duration.
//! - *Executors* answer before time moves on, or are *late* (a fault) and then answer any time, or never before
//!   the core gives up. Only staging, loading and the exit after a TERM may take long for free, within their time-outs.
//! - *Stale* answers are fed at once: that they change nothing is checked each time. Ids are never used twice, so
//!   they would change nothing later either.
//! - *Budgets* (faults, acts) are no part of a state's fingerprint. A state that was searched with more left of both
//!   is not searched again with less: whatever can happen then can happen there. States are searched in the order
//!   of what was spent on the way, then of steps; so a path to a violation spends least, and has fewest steps of
//!   those.
//! - *Policies* have few and commensurate spans (see `world`), so that the relative times in a state are few.

mod always;
mod around;
mod marks;
mod moves;
mod path;
mod search;
mod settle;
mod state;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod world;

pub use always::Property;
pub use marks::Mark;
pub use path::{Counterexample, Step};
pub use search::{Failure, Progress, Summary, run, run_with};
pub use world::World;
