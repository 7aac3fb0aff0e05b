//! S34: once the supervisor goes down, no pool goes up: phases move only towards none.

use pool_manager_core::{Event, EventKind, PhaseName};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Closing;

impl Oracle for Closing {
    fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
        let EventKind::PhaseChanged { from, to } = event.kind else { return Ok(()) };
        let goes_up = match to {
            PhaseName::Staging | PhaseName::Waiting | PhaseName::Starting | PhaseName::Ready => true,
            PhaseName::Draining
            | PhaseName::Stopping
            | PhaseName::Ended
            | PhaseName::Stopped
            | PhaseName::Held => false,
        };
        hold(!(goes_up && observed.view.is_closing()), "S34: no pool goes up during a shutdown", || {
            format!("pool {:?} goes from {from:?} to {to:?}", event.pool)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn a_pool_that_starts_during_a_shutdown_is_found() {
        let mut forged = Forged::new();
        let starts =
            forged.event(EventKind::PhaseChanged { from: PhaseName::Stopped, to: PhaseName::Staging });
        assert_eq!(Closing.event(&starts, forged.observed()), Ok(()));
        forged.shut_down();
        assert!(Closing.event(&starts, forged.observed()).is_err());
    }
}
