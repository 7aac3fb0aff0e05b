//! Text Generation Inference: a launcher, a web server and a shard per GPU. The launcher takes everything down when
//! one shard ends; on TERM it waits for what is in flight, up to 90 s (`graceful_termination_timeout`).
//!
//! Loads: as PyTorch engines of that size, 30 to 100 s.

use crate::engine::{EngineProfile, TermBehaviour, Workers};
use crate::random::Span;

pub(super) fn engine() -> EngineProfile {
    EngineProfile {
        spawn_ack: Span::millis(0, 40),
        load: Span::millis(15_000, 80_000),
        workers: Workers {
            count: 3,
            after: Span::millis(100, 3000),
            follow: Span::millis(0, 1000),
            outlive_one_in: 0,
        },
        term: TermBehaviour::Exits(Span::millis(100, 20_000)),
        lingers: Span::millis(500, 1500),
        ..EngineProfile::default()
    }
}
