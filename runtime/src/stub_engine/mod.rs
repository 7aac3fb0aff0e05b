//! stub-engine: a small inference engine that serves HTTP like a real one and misbehaves on request.
//!
//! Tests start it where a real engine would be too slow or too well-behaved, and `pool-managerd run
//! --demo` runs two pools of it; `--help` is its manual. It makes text of numbered words, needs no
//! model and no GPU, and depends on nothing of the supervisor: what it does wrong, it does as a
//! separate process would.

mod arguments;
mod children;
mod engine;
mod generation;
mod http;
mod listening;
mod log;
mod memory;
mod plan;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use self::arguments::{Arguments, OpenPort};
use self::engine::Engine;

/// Runs the engine as this process, from its first argument on: the program's name. `leading` are the
/// arguments that make this program an engine, for the children it starts.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>, leading: &[&str]) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    if arguments.child_sleeper {
        return children::sleep(&arguments);
    }
    // Before any other thread exists, so that all of them leave these signals to `signals`.
    let signals = match signals::take_over() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot take over TERM and INT: {error}")),
    };
    if let Err(error) = children::start(&arguments, leading) {
        return fail(&format!("cannot start a child process: {error}"));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    runtime.block_on(run(arguments, signals))
}

/// One life of the engine; returns only when the port cannot be had. Every other end is
/// `std::process::exit` or a signal, in the middle of whatever is going on, as engines do it.
async fn run(arguments: Arguments, signals: signals::Signals) -> ExitCode {
    let engine = Arc::new(Engine::new(arguments));
    tokio::spawn(signals::answer(signals, Arc::clone(&engine)));
    plan::arm_from_start(&engine);

    let arguments = &engine.arguments;
    if arguments.open_port == OpenPort::WhenLoaded {
        engine.load().await;
    }
    let listener = match listening::open(arguments) {
        Ok(listener) => listener,
        Err(error) => return fail(&listening::explain(arguments, &error)),
    };
    if arguments.open_port == OpenPort::Early {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move { engine.load().await });
    }
    match axum::serve(listener, http::routes(engine)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("the server ended: {error}")),
    }
}

fn fail(what: &str) -> ExitCode {
    log::line(&format!("main: {what}"));
    ExitCode::FAILURE
}
