//! Child processes that outlive the engine, as the workers of vLLM or TGI do: the same program in
//! a mode that only sleeps. They keep the engine's stderr open.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use nix::sys::signal::{SigSet, Signal};

use crate::stub_engine::arguments::Arguments;

/// Starts the children asked for, and says `child PID` on stdout for each once it is as asked.
pub(crate) fn start(arguments: &Arguments, leading: &[&str]) -> io::Result<()> {
    for _ in 0..arguments.children {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(leading);
        command.arg("--child-sleeper").stdin(Stdio::null()).stdout(Stdio::piped());
        if arguments.children_setsid {
            command.arg("--children-setsid");
        }
        if arguments.children_ignore_term {
            command.arg("--children-ignore-term");
        }
        // Never waited for: it is to outlive us, and one that ends first stays a zombie, as workers do.
        let child = command.spawn()?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        print!("{said}");
    }
    Ok(())
}

/// The life of a child: settle, say so, sleep until TERM (or for ever).
pub(crate) fn sleep(arguments: &Arguments) -> ExitCode {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    let settled = signals
        .thread_block()
        .and_then(|()| if arguments.children_setsid { nix::unistd::setsid().map(drop) } else { Ok(()) });
    if let Err(error) = settled {
        crate::stub_engine::log::line(&format!("child: cannot settle: {error}"));
        return ExitCode::FAILURE;
    }
    println!("child {}", std::process::id());
    loop {
        match signals.wait() {
            Ok(signal) if arguments.children_ignore_term => {
                crate::stub_engine::log::line(&format!("child {} ignores {signal}", std::process::id()));
            }
            Ok(_) | Err(_) => return ExitCode::SUCCESS,
        }
    }
}
