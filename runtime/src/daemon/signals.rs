//! Signals to the daemon: TERM and INT drain and stop everything, a second one kills what is left.
//! While it drains, a person at a terminal sees what it waits for.

use std::io::{self, IsTerminal};
use std::time::Duration;

use pool_manager_core::{Correlation, Host, Time};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::driver::DriverHandle;

/// How often a person is told what is still waited for.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

/// Obeys signals until the driver is gone.
///
/// # Errors
/// No signal handler.
pub(super) fn obey(driver: DriverHandle) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        let mut tick = interval(PROGRESS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = 0_u64;
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => asked += 1,
                _ = interrupt.recv() => asked += 1,
                _ = hang_up.recv() => {
                    tracing::warn!("SIGHUP ignored: a changed config takes effect at the next start");
                    continue;
                }
                _ = tick.tick() => {
                    if asked > 0 {
                        tell(&driver).await;
                    }
                    continue;
                }
            }
            if asked == 1 {
                tick.reset();
                say("draining; press Ctrl-C again to cut what is in flight and kill the engines");
            }
            if driver.shut_down(Correlation([u64::from(std::process::id()), asked])).await.is_err() {
                return;
            }
        }
    })
}

/// One line for every pool that is not at rest yet.
async fn tell(driver: &DriverHandle) {
    if !io::stderr().is_terminal() {
        return;
    }
    for line in driver.read(lines).await.unwrap_or_default() {
        say(&line);
    }
}

fn lines(host: &Host, now: Time) -> Vec<String> {
    let view = host.view();
    let busy = view.pools().filter(|pool| pool.engine.is_some());
    busy.map(|pool| match pool.drain_deadline {
        Some(deadline) => format!(
            "{}: draining, {} in flight, {} s left",
            pool.name,
            pool.leases_active,
            deadline.left(now).as_secs()
        ),
        None => format!("{}: {}", pool.name, pool.phase.label()),
    })
    .collect()
}

#[allow(clippy::print_stderr, reason = "said to the person who pressed Ctrl-C, not to the log")]
pub(super) fn say(line: &str) {
    if io::stderr().is_terminal() {
        eprintln!("{line}");
    }
}
