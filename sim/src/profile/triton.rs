//! Triton: one process for many models, with a good health endpoint for each. On TERM what is in flight ends within
//! `--exit-timeout-secs`, 30 by default; there is no other grace.

use crate::engine::{EngineProfile, TermBehaviour};
use crate::random::Span;

pub(super) fn engine() -> EngineProfile {
    EngineProfile {
        spawn_ack: Span::millis(0, 40),
        load: Span::millis(3000, 25_000),
        term: TermBehaviour::Exits(Span::millis(50, 8000)),
        lingers: Span::millis(500, 1500),
        ..EngineProfile::default()
    }
}
