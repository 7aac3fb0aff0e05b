//! What happens to GPUs, to their driver, and to what a look at them says.

pub(super) mod crowded;
pub(super) mod divided;
pub(super) mod driver;
pub(super) mod lingering;
pub(super) mod lost;
pub(super) mod order;
pub(super) mod silent;
pub(super) mod stale;
pub(super) mod throttled;
pub(super) mod xid;
