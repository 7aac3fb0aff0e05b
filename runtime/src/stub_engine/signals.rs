//! TERM and INT, as llama-server takes them: the first ends it, cutting what is in flight; the
//! second ends it at once with status 1.

use std::io;
use std::sync::Arc;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::stub_engine::arguments::Milestone;
use crate::stub_engine::engine::Engine;
use crate::stub_engine::{log, plan};

/// TERM and INT in the order of their coming. Two in quick succession may come as one, as with any process.
#[derive(Debug)]
pub(crate) struct Signals(UnboundedReceiver<Signal>);

/// Blocks TERM and INT in this thread and all that are started after it, so that only the waiting
/// thread takes them. Called before there are others.
pub(crate) fn take_over() -> io::Result<Signals> {
    let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    set.thread_block()?;
    let (sender, signals) = mpsc::unbounded_channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while let Ok(signal) = set.wait() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    })?;
    Ok(Signals(signals))
}

/// Answers signals for the rest of the process's life.
pub(crate) async fn answer(mut signals: Signals, engine: Arc<Engine>) {
    let mut received = 0;
    while let Some(signal) = signals.0.recv().await {
        log::line(&format!("main: received {signal}"));
        received += 1;
        match received {
            1 => first(&engine),
            _ if engine.arguments.ignore_term => log::line("main: ignored"),
            _ => {
                log::line("main: second signal, ending at once");
                std::process::exit(1);
            }
        }
    }
}

fn first(engine: &Arc<Engine>) {
    plan::arm(engine, Milestone::Term);
    if engine.arguments.ignore_term {
        log::line("main: ignored");
        return;
    }
    log::line("main: cleaning up before exit...");
    let delay = engine.arguments.exit_delay;
    if delay.is_zero() {
        std::process::exit(0);
    }
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        std::process::exit(0);
    });
}
