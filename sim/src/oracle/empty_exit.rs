//! S34: the supervisor exits with an empty process table; only what got its KILL may still be
//! dying, or outlive it.

use pool_manager_core::{Effect, HoldReason, Signal};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct EmptyExit;

impl Oracle for EmptyExit {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        if *effect != Effect::Exit {
            return Ok(());
        }
        let left = observed.processes.not_over().find(|process| {
            let pool = observed.view.pool(process.engine.pool);
            let stuck = pool.is_some_and(|pool| pool.held == Some(HoldReason::Stuck));
            process.is_alive() && !process.got(Signal::KillTree) && !stuck
        });
        hold(left.is_none(), "S34: the supervisor leaves no engine behind", || {
            format!("{:?} lives", left.map(|process| process.engine))
        })
    }
}
