//! Gates: the reasons a start must wait, each with its time. A start goes ahead when all are open.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;
use crate::verdict::HostProblem;

/// What a waiting pool waits for. `None`: that gate is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gates {
    /// Backoff after a failure, or the next look at a host problem.
    pub backoff_until: Option<Time>,
    /// The sliding window over automatic restarts has room again.
    pub window_until: Option<Time>,
    /// The circuit that stays open longest is half-open.
    pub circuit_until: Option<Time>,
    /// The host's start limiter looks again, at the latest; sooner when another load ends.
    pub limiter_until: Option<Time>,
    /// Ports and devices of the last engine; asked last, so that the answer is fresh at the spawn.
    pub release: ReleaseGate,
}

impl Gates {
    /// When the gates that are known by their time are open; `None`: they are.
    pub(crate) fn timed(&self, now: Time) -> Option<Time> {
        let times = [self.backoff_until, self.window_until, self.circuit_until];
        times.into_iter().flatten().max().filter(|until| *until > now)
    }

    /// Nobody answers an ask any more: the next one gives what holds ports and devices its whole time again. It is
    /// the same start, so that the limiter does not count it twice.
    pub(crate) fn asked_afresh(self, now: Time) -> Self {
        match self.release {
            ReleaseGate::Asked { .. } | ReleaseGate::Held { .. } => {
                Self { release: ReleaseGate::Asked { since: now }, ..self }
            }
            ReleaseGate::Unasked | ReleaseGate::PortStranger { .. } | ReleaseGate::HostProblem { .. } => self,
        }
    }

    /// The machine was suspended: what holds ports and devices had no time to let go of them.
    pub(crate) fn shift(self, by: Duration) -> Self {
        match self.release {
            ReleaseGate::Held { since } => Self { release: ReleaseGate::Held { since: since + by }, ..self },
            ReleaseGate::Asked { since } => {
                Self { release: ReleaseGate::Asked { since: since + by }, ..self }
            }
            ReleaseGate::Unasked | ReleaseGate::PortStranger { .. } | ReleaseGate::HostProblem { .. } => self,
        }
    }
}

/// Whether ports and devices are free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseGate {
    /// Not asked yet.
    #[default]
    Unasked,
    /// The first answer is not there yet.
    Asked {
        /// Since when.
        since: Time,
    },
    /// Something of ours still holds them; asked again every 250 ms, for 30 s at most.
    Held {
        /// Since when.
        since: Time,
    },
    /// A device is not there, or the driver cannot be used.
    HostProblem {
        /// What is wrong.
        problem: HostProblem,
        /// When it is looked at again.
        recheck: Time,
    },
    /// A process that is not ours has the port.
    PortStranger {
        /// The port.
        port: u16,
        /// The process, where it may be seen.
        pid: Option<u32>,
        /// When it is looked at again.
        recheck: Time,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_the_release_has_no_time_while_the_machine_sleeps() {
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let gates = |release| Gates { backoff_until: Some(at(9)), release, ..Gates::default() };
        let by = Duration::from_secs(100);
        for (release, later) in [
            (ReleaseGate::Asked { since: at(1) }, ReleaseGate::Asked { since: at(101) }),
            (ReleaseGate::Held { since: at(2) }, ReleaseGate::Held { since: at(102) }),
            (ReleaseGate::Unasked, ReleaseGate::Unasked),
        ] {
            assert_eq!(gates(release).shift(by), gates(later), "and the backoff goes on");
        }
    }
}
