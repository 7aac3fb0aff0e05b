//! What operators do, wise or not.

pub(super) mod allow_restart;
pub(super) mod contradict;
pub(super) mod deregister;
pub(super) mod drain;
pub(super) mod everywhere;
pub(super) mod impostor;
pub(super) mod preload;
pub(super) mod register;
pub(super) mod reload;
pub(super) mod reset_breaker;
pub(super) mod restart;
pub(super) mod series;
pub(super) mod stop;
pub(super) mod undrain;
mod word;
