//! The shipped daemon as a process, driven only through config, HTTP, signals and files.

mod process;
mod real;
mod real_engine;
