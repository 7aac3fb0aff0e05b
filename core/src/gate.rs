//! Gates: the reasons a start must wait, each with its time. A start goes ahead when all are open.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// What a waiting pool waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gates {
    /// Backoff after a failure, or the next look at a host problem; `None`: open.
    pub backoff_until: Option<Time>,
    /// Ports and devices of the last engine; asked last, so that the answer is fresh at the spawn.
    pub release: ReleaseGate,
}

impl Gates {
    /// The machine was suspended: what holds ports and devices had no time to let go of them.
    pub(crate) fn shift(self, by: Duration) -> Self {
        match self.release {
            ReleaseGate::Held { since } => Self { release: ReleaseGate::Held { since: since + by }, ..self },
            ReleaseGate::Unasked | ReleaseGate::PortStranger { .. } => self,
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
    /// Something of ours still holds them; asked again every 250 ms, for 30 s at most.
    Held {
        /// Since when.
        since: Time,
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
