//! What engines do by themselves.

pub(super) mod crash;
