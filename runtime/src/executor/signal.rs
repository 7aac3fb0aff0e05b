//! Signals engines. The driver hands it [`Effect::Signal`]; TERM is sent at once, the search for a
//! whole tree goes to a thread that may wait.
//!
//! Only ever signals what is certainly the engine's: its group while its leader is unreaped, and
//! single processes through a pidfd that was looked at after it was opened.
//!
//! [`Effect::Signal`]: pool_manager_core::Effect::Signal

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal as Number, killpg};
use nix::unistd::{Pid, getpgrp};
use pool_manager_core::{EngineRef, Signal};

use crate::executor::engines::{Engines, Process};

/// Carries out signals.
#[derive(Clone, Debug)]
pub struct SignalExecutor {
    engines: Engines,
}

impl SignalExecutor {
    /// For the engines of this table.
    #[must_use]
    pub const fn new(engines: Engines) -> Self {
        Self { engines }
    }

    /// Signals an engine; nothing happens when nothing is left of it. Its exit is the answer.
    pub fn signal(&self, engine: EngineRef, signal: Signal) {
        let Some(process) = self.engines.get(engine) else {
            tracing::debug!(%engine, ?signal, "no process to signal");
            return;
        };
        match signal {
            Signal::Graceful => ask_to_end(&process),
            Signal::KillTree => kill_tree(&process),
        }
    }
}

/// KILL to leader and group at once, for which neither a thread nor a descriptor is needed; then the search
/// for what left the group, on a thread that may wait.
fn kill_tree(process: &Arc<Process>) {
    let killed = process.while_unreaped(|| signal_group(process.pid, Number::SIGKILL));
    if let Some(Err(error)) = killed.filter(|killed| *killed != Err(Errno::ESRCH)) {
        tracing::warn!(engine = %process.engine, %error, "engine's group could not be killed");
    }
    let searched = Arc::clone(process);
    let search =
        thread::Builder::new().name("kill".into()).spawn(move || kill_until_none_is_found(&searched));
    if let Err(error) = search {
        tracing::error!(engine = %process.engine, %error, "no thread to look for what left the engine's group");
    }
}

/// TERM to the group, then CONT: a stopped process would see the TERM only when it is continued.
fn ask_to_end(process: &Process) {
    for signal in [Number::SIGTERM, Number::SIGCONT] {
        match process.while_unreaped(|| signal_group(process.pid, signal)) {
            Some(Ok(())) | Some(Err(Errno::ESRCH)) | None => {}
            Some(Err(error)) => {
                tracing::warn!(engine = %process.engine, %signal, %error, "engine's group could not be signalled");
            }
        }
    }
}

/// Never a group that could be ours, or everybody's.
fn signal_group(leader: u32, signal: Number) -> Result<(), Errno> {
    let group = Pid::from_raw(i32::try_from(leader).map_err(|_| Errno::ESRCH)?);
    if group.as_raw() <= 1 || group == getpgrp() {
        return Err(Errno::EPERM);
    }
    killpg(group, signal)
}

/// A tree that breeds while it is killed is killed again; what cannot die is left to the core's deadlines.
fn kill_until_none_is_found(process: &Process) {
    const MOST_ROUNDS: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(2);
    for _ in 0..MOST_ROUNDS {
        if process.is_gone() || Engines::kill_tree(process) == 0 {
            return;
        }
        thread::sleep(PAUSE);
    }
    tracing::warn!(engine = %process.engine, pid = process.pid, "some process of the engine does not die");
}

/// Kills what an ended engine left behind, and returns when nothing of it lives. Blocks for as long as
/// something cannot be killed.
pub(super) fn sweep(process: &Process) {
    const FIRST_PAUSE: Duration = Duration::from_millis(1);
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);
    let mut pause = FIRST_PAUSE;
    let mut said = false;
    while Engines::any_orphan_lives() {
        let found = Engines::kill_tree(process);
        if found == 0 {
            // The orphans are another engine's.
            break;
        }
        if pause == LONGEST_PAUSE && !said {
            said = true;
            tracing::warn!(engine = %process.engine, processes = found, "what the engine left behind does not die");
        }
        thread::sleep(pause);
        Engines::reap_listed_strays();
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
