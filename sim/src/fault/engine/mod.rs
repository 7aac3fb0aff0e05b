//! What engines do by themselves.

pub(super) mod bad_health;
pub(super) mod busy_unhealthy;
pub(super) mod crash;
pub(super) mod cuda_error;
pub(super) mod endless_load;
pub(super) mod exit_at_load;
pub(super) mod flap;
pub(super) mod generation_hangs;
pub(super) mod ignores_term;
pub(super) mod late_exit;
pub(super) mod leak;
pub(super) mod log_flood;
pub(super) mod oom_at_load;
pub(super) mod oom_under_traffic;
pub(super) mod rank_dies;
pub(super) mod slow_health;
pub(super) mod slow_load;
pub(super) mod slower_restarts;
pub(super) mod workers_survive;
