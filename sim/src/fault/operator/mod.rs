//! What operators do, wise or not.

pub(super) mod drain;
