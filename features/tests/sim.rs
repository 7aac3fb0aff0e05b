//! Every scenario against the simulator: `cargo test -p pool-manager-features --test sim -- --tags @mission`.
//! With `FEATURES_SEEDS=50` under 50 seeds, with `FEATURES_SEED=57` under that one.

use std::process::ExitCode;

use pool_manager_features::SimBackend;

fn main() -> ExitCode {
    pool_manager_features::main(|seed| Box::new(SimBackend::new(seed)))
}
