//! S37: when every deadline that is due has fired, another timer at the same instant does nothing at all.
//!
//! Asked of a copy of the host, now and then: a copy costs as much as many steps.

use pool_manager_core::{Host, Input, Time};

use super::{Violation, hold};

/// Once in so many steps.
pub(crate) const EVERY: u64 = 512;

/// `Ok` when a timer would do nothing now.
pub(crate) fn check(host: &Host, now: Time) -> Result<(), Violation> {
    let mut copy = host.clone();
    copy.handle(now, Input::Timer);
    let (effect, event) = (copy.poll_effect(), copy.poll_event());
    hold(effect.is_none() && event.is_none(), NAME, || format!("it leads to {effect:?}, {event:?}"))?;
    hold(copy == *host, NAME, || "it changes the host's state".to_owned())
}

const NAME: &str = "S37: a second timer at the same instant does nothing";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn a_deadline_that_was_left_due_is_found() {
        let mut forged = Forged::new();
        forged.preload();
        assert_eq!(check(&forged.host, forged.now), Ok(()));
        let overdue = forged.now + Duration::from_secs(3600);
        assert!(check(&forged.host, overdue).is_err());
    }
}
