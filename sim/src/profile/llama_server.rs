//! llama-server: one process. Its port is open early and `/health` says 503 while it loads. TERM aborts what is in
//! flight and ends it at once.
//!
//! Loads: the page cache is read at about 3.7 GB/s, so seconds for the models most hosts run; 72 to 88 s were
//! reported for 112 GB on three A100s (lilbee, pull request 477), which is the fault `engine-slow-load`.

use crate::engine::{EngineProfile, TermBehaviour};
use crate::random::Span;

pub(super) fn engine() -> EngineProfile {
    EngineProfile {
        spawn_ack: Span::millis(0, 40),
        load: Span::millis(500, 9000),
        term: TermBehaviour::Exits(Span::millis(5, 300)),
        lingers: Span::millis(0, 500),
        ..EngineProfile::default()
    }
}
