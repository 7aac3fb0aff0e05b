//! S36: every phase that is not at rest has an armed deadline, so nothing is waited for in vain.
//!
//! The other half of S36, that no deadline is left overdue, is checked where timers are fired.

use pool_manager_core::{PhaseName, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Deadlines;

impl Oracle for Deadlines {
    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        let waits = match pool.phase {
            PhaseName::Staging
            | PhaseName::Waiting
            | PhaseName::Starting
            | PhaseName::Draining
            | PhaseName::Stopping
            | PhaseName::Ended => true,
            PhaseName::Stopped | PhaseName::Held | PhaseName::Ready => false,
        };
        hold(!waits || pool.next.is_some(), "S36: a phase that waits has an armed deadline", || {
            format!("pool {} is {}", pool.name, pool.phase.label())
        })
    }
}
