//! The shipped daemon as a process, driven only through config, HTTP, signals and files.

mod bad_input;
mod crashes;
mod models;
mod process;
mod real;
mod real_engine;
mod reloads;
mod serving;
mod stops;
mod stub;
mod taken_port;
