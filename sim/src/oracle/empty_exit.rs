//! S34: the supervisor exits with an empty process table; only what got its KILL may still be
//! dying, or outlive it.

use std::time::Duration;

use pool_manager_core::{Effect, HoldReason, Signal};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct EmptyExit;

/// The answer of a spawn is waited for no longer. What came of it all the same the next start finds, and kills.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10);

impl Oracle for EmptyExit {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if *effect != Effect::Exit {
            return Ok(());
        }
        let left = observed.processes.not_over().find(|process| {
            let pool = observed.view.pool(process.engine.pool);
            let stuck = pool.is_some_and(|pool| pool.held == Some(HoldReason::Stuck));
            let given_up = !process.acknowledged && observed.now.since(process.spawned) >= GIVEN_UP_AFTER;
            process.is_alive() && !process.got(Signal::KillTree) && !stuck && !given_up
        });
        hold(left.is_none(), "S34: the supervisor leaves no engine behind", || {
            format!("{:?} lives", left.map(|process| process.engine))
        })
    }
}
