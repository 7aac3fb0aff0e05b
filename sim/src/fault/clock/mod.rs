//! What clocks do.
//!
//! There is no wall clock in the core, so jumps of it, dates before 1970 and drift against others (C1, C6, C7)
//! cannot reach a decision; the runtime's own tests have what shows wall time to people.

pub(super) mod stall;
pub(super) mod suspend;
pub(super) mod timers;
