//! Carries out the `--at` steps. `engine` and `signals` call it when a moment has come.

use std::sync::Arc;

use nix::sys::signal::{self, SigSet, Signal};

use crate::stub_engine::arguments::{Action, Milestone, Moment};
use crate::stub_engine::engine::Engine;
use crate::stub_engine::{log, memory};

/// Arms what counts from the start of the process.
pub(crate) fn arm_from_start(engine: &Arc<Engine>) {
    arm(engine, Milestone::Start);
}

/// Arms what counts from a milestone that has just been passed. Steps without a delay happen in here.
pub(crate) fn arm(engine: &Arc<Engine>, milestone: Milestone) {
    for step in &engine.arguments.plan {
        let Moment::After(after, delay) = step.moment else { continue };
        if after != milestone {
            continue;
        }
        if delay.is_zero() {
            perform(engine, &step.action);
            continue;
        }
        let (engine, action) = (Arc::clone(engine), step.action.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            perform(&engine, &action);
        });
    }
}

/// A generation request came in: the `count`-th.
pub(crate) fn on_request(engine: &Arc<Engine>, count: u64) {
    perform_at(engine, Moment::Request(count));
}

/// A token was sent: the `count`-th of all.
pub(crate) fn on_token(engine: &Arc<Engine>, count: u64) {
    perform_at(engine, Moment::Token(count));
}

fn perform_at(engine: &Arc<Engine>, moment: Moment) {
    for step in engine.arguments.plan.iter().filter(|step| step.moment == moment) {
        perform(engine, &step.action);
    }
}

fn perform(engine: &Arc<Engine>, action: &Action) {
    match action {
        Action::Exit(status) => std::process::exit(i32::from(*status)),
        Action::Signal(signal) => signal_self(*signal),
        Action::Health(mode) => engine.set_health(*mode),
        Action::GenerationHangs(hangs) => engine.set_generation_hangs(*hangs),
        Action::Log(text) => log::line(text),
        Action::LogOpen(text) => log::bytes(text.as_bytes()),
        Action::Flood { lines } => log::flood(*lines),
        Action::Binary { bytes } => log::binary(*bytes),
        Action::Grow { mib_per_second } => memory::grow(*mib_per_second),
    }
}

fn signal_self(signal: Signal) {
    // TERM and INT are blocked for `signals`; here they are to do what they do to any process.
    let _ = SigSet::from(signal).thread_unblock();
    // Rust's own handler for SEGV and BUS takes the first one as a fault that will come again, puts
    // the default back and returns: the second one is deadly.
    let times = if matches!(signal, Signal::SIGSEGV | Signal::SIGBUS) { 2 } else { 1 };
    for _ in 0..times {
        if let Err(error) = signal::raise(signal) {
            log::line(&format!("main: cannot raise {signal}: {error}"));
        }
    }
}
