//! Every scenario against the simulator: `cargo test -p pool-manager-features --test sim -- --tags @mission`.

use std::process::ExitCode;

use pool_manager_features::SimBackend;

/// Any seed does: scenarios say what must hold whatever the order of simultaneous things.
const SEED: u64 = 42;

fn main() -> ExitCode {
    pool_manager_features::main(|| Box::new(SimBackend::new(SEED)))
}
