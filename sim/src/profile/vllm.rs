//! vLLM with tensor parallelism: an API server, an engine core and a rank per GPU. TERM aborts what is in flight
//! (`--shutdown-timeout` is 0 by default); a watchdog of 5 s takes the server down when the engine core is dead.
//!
//! Loads: 59 s in all for a 3 GB model (vLLM issue 20264), some 215 s for 70 B on eight GPUs with a hot cache (issue
//! 19824). The upper end here is such that a run of ten minutes sees several. Ranks that outlive the server and keep
//! their memory are issue 55510; memory usually comes back within 0.5 to 1.5 s (figures of Ollama's scheduler).

use crate::engine::{EngineProfile, TermBehaviour, Workers};
use crate::random::Span;

pub(super) fn engine() -> EngineProfile {
    EngineProfile {
        spawn_ack: Span::millis(0, 40),
        load: Span::millis(34_000, 100_000),
        workers: Workers {
            count: 5,
            after: Span::millis(2000, 8000),
            follow: Span::millis(0, 500),
            outlive_one_in: 8,
        },
        term: TermBehaviour::Exits(Span::millis(200, 3000)),
        lingers: Span::millis(500, 1500),
        ..EngineProfile::default()
    }
}
