//! The way between the supervisor and its engines, and the ports engines listen on.

pub(super) mod busy;
pub(super) mod half_open;
pub(super) mod hang;
pub(super) mod late_news;
pub(super) mod latency;
pub(super) mod loopback;
pub(super) mod loss;
pub(super) mod port_stranger;
pub(super) mod refused;
pub(super) mod status;
pub(super) mod stranger;
pub(super) mod torn;
