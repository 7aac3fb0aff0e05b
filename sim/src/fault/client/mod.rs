//! What clients do, by mistake or because they do not care.

pub(super) mod burst;
pub(super) mod echo;
pub(super) mod ends;
pub(super) mod forgetful;
pub(super) mod herd;
pub(super) mod renews;
mod ttl;
pub(super) mod unknown;
