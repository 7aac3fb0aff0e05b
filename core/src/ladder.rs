//! The stop ladder: TERM, a grace, KILL of the tree, a wait, and then *stuck*, said aloud; never a
//! loop of KILLs.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deadline::Due;
use crate::effect::Signal;
use crate::spec::StopPolicy;
use crate::time::Time;

/// Where on the ladder a stop stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Ladder {
    /// The spawn is not acknowledged yet: there is nothing to signal.
    Unspawned {
        grace: Duration,
    },
    Termed,
    Killed,
}

/// One step: what to send, and how long to wait before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) ladder: Ladder,
    pub(crate) send: Signal,
    pub(crate) then: Due,
    pub(crate) at: Time,
}

impl Ladder {
    /// The first step on a process that exists. No grace at all means KILL now.
    pub(crate) fn begin(now: Time, grace: Duration, policy: &StopPolicy) -> Step {
        if grace.is_zero() {
            return Self::kill(now, policy);
        }
        Step { ladder: Self::Termed, send: Signal::Graceful, then: Due::KillGrace, at: now + grace }
    }

    /// The hard step.
    pub(crate) fn kill(now: Time, policy: &StopPolicy) -> Step {
        let at = now + policy.kill_wait;
        Step { ladder: Self::Killed, send: Signal::KillTree, then: Due::StuckWait, at }
    }
}
