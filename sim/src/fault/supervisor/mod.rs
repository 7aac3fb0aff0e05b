//! What befalls the supervisor itself, and what lies between it and its executors.
//!
//! Two supervisors at once (X4) are not here: the second never gets the state lock, so there is no second core.

pub(super) mod answers_late;
pub(super) mod answers_lost;
pub(super) mod answers_meet_drain;
pub(super) mod crash;
pub(super) mod crash_at;
pub(super) mod crash_loop;
pub(super) mod other_version;
pub(super) mod power_loss;
pub(super) mod unseen_end;
