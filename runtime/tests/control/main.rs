//! The control API and `poolctl`, from outside: a real driver with engines that are made up, behind
//! the real server on a port of this machine.

mod api;
mod bounds;
mod events;
mod leases;
mod poolctl;
mod reload;
mod stage;
mod supervision;
