//! What the operating system does to processes, and to the news of them.

pub(super) mod descriptors;
pub(super) mod exec_error;
pub(super) mod exit_before_ack;
pub(super) mod exit_lost;
pub(super) mod exit_twice;
pub(super) mod loader_dies;
pub(super) mod no_memory;
pub(super) mod oom_kill;
pub(super) mod pid_limit;
pub(super) mod pid_reuse;
pub(super) mod program_missing;
pub(super) mod slow_spawn;
pub(super) mod stopped;
pub(super) mod uninterruptible;
pub(super) mod zombie;
