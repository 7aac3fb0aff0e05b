//! SGLang: a scheduler per GPU and a detokenizer beside the server. Health answers 503 while it starts and while it
//! goes down, and may generate a token itself. On TERM it ends its streams first, looking every 5 s, with no upper
//! bound: often longer than the grace of a stop.
//!
//! Loads: as PyTorch engines of that size, 30 to 100 s for a switch of models are typical reports.

use crate::engine::{EngineProfile, TermBehaviour, Workers};
use crate::random::Span;

pub(super) fn engine() -> EngineProfile {
    EngineProfile {
        spawn_ack: Span::millis(0, 40),
        load: Span::millis(20_000, 90_000),
        workers: Workers {
            count: 2,
            after: Span::millis(1000, 5000),
            follow: Span::millis(0, 500),
            outlive_one_in: 16,
        },
        term: TermBehaviour::Exits(Span::millis(100, 10_000)),
        lingers: Span::millis(500, 1500),
        ..EngineProfile::default()
    }
}
