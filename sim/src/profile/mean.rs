//! Engines nobody wants: each does one thing badly, all the time. What goes wrong once in a while is a fault.

use pool_manager_core::{ExitStatus, LogClass};

use crate::engine::{Ending, EngineHealth, EngineProfile, Hazard, TermBehaviour};
use crate::random::Span;

/// Dies half a minute after each start at the latest, of anything.
pub(super) fn flapper() -> EngineProfile {
    let cuda = Ending { log: vec![LogClass::CudaError], ..Ending::plain(ExitStatus::Signal(6)) };
    let endings = vec![
        Ending::plain(ExitStatus::Code(0)),
        Ending::plain(ExitStatus::Code(1)),
        Ending::plain(ExitStatus::Signal(11)),
        cuda,
    ];
    dying(Hazard { one_in: 1, after: Span::millis(3000, 30_000), endings })
}

/// Leaks host memory, until the kernel kills it.
pub(super) fn leaker() -> EngineProfile {
    dying(Hazard { one_in: 1, after: Span::millis(20_000, 120_000), endings: vec![Ending::oom_killed()] })
}

/// Its port is open and it answers nothing, from the moment it is loaded.
pub(super) fn hanger() -> EngineProfile {
    EngineProfile { load: Span::millis(500, 20_000), health: EngineHealth::Hangs, ..quick() }
}

/// Loads for as long as a quick engine may, and longer.
pub(super) fn slow_loader() -> EngineProfile {
    EngineProfile { load: Span::millis(10_000, 90_000), ..quick() }
}

/// Ignores TERM; once in eight times it is in uninterruptible sleep when it gets KILL.
pub(super) fn term_ignorer() -> EngineProfile {
    EngineProfile { term: TermBehaviour::Ignores, kill: Span::millis(1, 500), sticks_one_in: 8, ..quick() }
}

/// Dies while it loads, or soon after: bad flags, no memory on its GPUs, a damaged model.
pub(super) fn load_crasher() -> EngineProfile {
    let oom = Ending { log: vec![LogClass::GpuOutOfMemory], ..Ending::plain(ExitStatus::Code(1)) };
    let model = Ending { log: vec![LogClass::ModelLoad], ..Ending::plain(ExitStatus::Code(1)) };
    let endings =
        vec![oom, model, Ending::plain(ExitStatus::Signal(7)), Ending::plain(ExitStatus::Code(255))];
    let after = Span::millis(10, 3000);
    EngineProfile { load: Span::millis(2000, 6000), ..dying(Hazard { one_in: 1, after, endings }) }
}

fn dying(hazard: Hazard) -> EngineProfile {
    EngineProfile { hazard: Some(hazard), ..quick() }
}

fn quick() -> EngineProfile {
    EngineProfile {
        spawn_ack: Span::millis(0, 40),
        load: Span::millis(500, 5000),
        term: TermBehaviour::Exits(Span::millis(5, 1000)),
        ..EngineProfile::default()
    }
}
