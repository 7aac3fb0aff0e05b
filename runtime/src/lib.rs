//! The real world around the core: processes, HTTP, files, config. See the modules.

pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod driver;
pub mod executor;
pub mod gpu;
pub mod handoff;
pub mod launch;
pub mod linux;
pub mod models;
pub mod staging;
pub mod stub_engine;
pub mod table;
pub mod telemetry;
