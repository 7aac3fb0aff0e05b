//! What pool-manager needs of Linux itself, as plain functions and types: making processes, knowing
//! when they end, clocks, `/proc`, and the state directory. The executors use it; nothing here knows
//! the driver.
//!
//! Needs Linux 5.11 (`close_range` with its close-on-exec flag); [`clone`] is the only file with `unsafe`.

pub mod clone;
pub mod listener;
pub mod pidfd;
pub mod proc;
mod readable;
pub mod reaper;
pub mod state_dir;
pub mod timerfd;
pub mod tree;
