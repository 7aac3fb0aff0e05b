//! What lease holders do beyond their pool's traffic in the simulated host: many asks at once, and ends and renewals
//! that nobody should send.

use std::time::Duration;

use pool_manager_core::{Input, LeaseId, PoolUid, Priority};

use super::{Occurrence, World};
use crate::clients::{Request, Stay};

/// Lease asks that come in one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asks {
    /// How many.
    pub(crate) asks: u32,
    /// `None`: one interactive, one batch, and so on.
    pub(crate) priority: Option<Priority>,
    /// What they ask for; `None`: the pool's default.
    pub(crate) ttl: Option<Duration>,
    /// How long each keeps what it is granted.
    pub(crate) stays: Stay,
    /// After how long each caller goes away, granted or not; `None`: it stays.
    pub(crate) withdraws: Option<Duration>,
}

impl World {
    /// Many clients ask in this instant.
    pub(crate) fn ask_many(&mut self, pool: PoolUid, asks: Asks) {
        for number in 0..asks.asks {
            let turn = if number % 2 == 0 { Priority::Interactive } else { Priority::Batch };
            let input = self.lease_ask(pool, asks.ttl, asks.priority.unwrap_or(turn));
            if let Input::LeaseAsk { command: ask, .. } = input {
                self.clients.sent(ask, Request::Ask { pool, stays: asks.stays });
                if let Some(after) = asks.withdraws {
                    let withdraw = Input::LeaseWithdraw { pool, ask };
                    self.agenda.file(self.now + after, Occurrence::Arrives(withdraw));
                }
            }
            self.agenda.file(self.now, Occurrence::Arrives(input));
        }
        self.run_instant();
    }

    /// A lease of a pool that is active now; the first comes again after the last.
    pub(crate) fn lease_of(&self, pool: PoolUid, nth: u32) -> Option<LeaseId> {
        let active = self.host.view().leases(pool).count();
        let place = (nth as usize).checked_rem(active)?;
        self.host.view().leases(pool).nth(place).map(|lease| lease.id)
    }

    /// Somebody ends a lease, so many times, all in one turn of the driver.
    pub(crate) fn send_ends(&mut self, lease: LeaseId, times: u32) {
        for _ in 0..times {
            let input = self.lease_end(lease);
            self.agenda.file(self.now, Occurrence::Arrives(input));
        }
        self.run_instant();
    }

    /// Somebody renews a lease after a while; it may be over by then.
    pub(crate) fn send_renewal(&mut self, lease: LeaseId, ttl: Option<Duration>, after: Duration) {
        let command = self.next_command();
        self.clients.sent(command, Request::Renew);
        let input = Input::LeaseRenew { command, lease, ttl };
        self.agenda.file(self.now + after, Occurrence::Arrives(input));
        self.run_instant();
    }
}
