//! Commands that take long: give one, and wait for its end if that was asked, with one line of
//! progress on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use pool_manager::control::{OperationStatus, PoolStatus, brief};
use serde_json::Value;

use crate::client::{Client, Failure};
use crate::{Target, print, show};

/// One look at the operation: short where progress is shown, long where it is not.
const SHOWN_EVERY: Duration = Duration::from_secs(1);
const UNSHOWN_EVERY: Duration = Duration::from_secs(30);

pub(crate) fn run(
    client: &Client,
    json: bool,
    verb: &str,
    target: &Target,
    body: &Value,
) -> Result<(), Failure> {
    let mut operation: OperationStatus = client.post(&format!("/v1/pools/{}/{verb}", target.pool), body)?;
    if target.wait {
        operation = wait(client, operation, target.pool.as_str(), !json)?;
    }
    let pool = &target.pool;
    let running = operation.succeeded.is_none();
    // A drain that is taken back did not succeed; whoever took it back did.
    let as_asked = operation.succeeded == Some(true) || verb == "undrain" && operation.state == "undrained";
    if json {
        show(true, &operation, |operation| operation.text.clone())?;
    } else if running {
        print(&format!(
            "{pool}: {verb} began as operation {}; `poolctl why {pool}` says how it goes, --wait waits for its end\n",
            operation.id
        ))?;
    } else if as_asked {
        print(&format!("{pool}: {}\n", operation.text))?;
    }
    if running || as_asked { Ok(()) } else { Err(Failure::Ended(format!("{pool}: {}", operation.text))) }
}

fn wait(
    client: &Client,
    mut operation: OperationStatus,
    pool: &str,
    may_show: bool,
) -> Result<OperationStatus, Failure> {
    let mut progress = Progress { shown: may_show && std::io::stderr().is_terminal(), dirty: false };
    let patience = if progress.shown { SHOWN_EVERY } else { UNSHOWN_EVERY };
    while operation.succeeded.is_none() {
        if progress.shown {
            progress.line(&describe(&operation, client.get::<PoolStatus>(&format!("/v1/pools/{pool}")).ok()));
        }
        let path = format!("/v1/operations/{}?wait={}", operation.id, patience.as_secs());
        operation = client.get_within(&path, patience)?;
    }
    Ok(operation)
}

/// `llama: drain, 12s: draining, leases left: 3, 18s to the deadline`.
fn describe(operation: &OperationStatus, pool: Option<PoolStatus>) -> String {
    let begun = format!("{}, {}", operation.kind.label(), brief(operation.took_seconds));
    let Some(pool) = pool else { return begun };
    let mut line = format!("{}: {begun}: {}", pool.id, pool.state);
    if let Some(drain) = &pool.drain {
        let left = brief(drain.deadline_in_seconds);
        line.push_str(&format!(", leases left: {}, {left} to the deadline", pool.leases.active));
    }
    if let Some(load) = pool.load_seconds.filter(|_| !pool.ready && pool.live && !pool.draining) {
        line.push_str(&format!(", the last start took {}", brief(load)));
    }
    line
}

/// One line on standard error that is written over, and wiped at the end.
struct Progress {
    shown: bool,
    dirty: bool,
}

impl Progress {
    fn line(&mut self, text: &str) {
        self.dirty = true;
        let mut stderr = std::io::stderr();
        // Progress is a courtesy: a terminal that went away must not end the wait.
        let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.dirty {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
