//! The stub engine as a program of its own; see `pool_manager::stub_engine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pool_manager::stub_engine::main(std::env::args_os(), &[])
}
