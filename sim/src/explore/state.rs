//! One state: the real host, and the world around it.

use pool_manager_core::{Fingerprint, Host, PhaseName, PoolView, Time, Wanted};
use serde::{Deserialize, Serialize};

use super::around::{Around, Asked};
use super::marks::Marks;
use super::world::World;
use crate::oracle::Violation;

/// A state of a small world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) host: Host,
    pub(super) around: Around,
    pub(super) now: Time,
}

impl State {
    /// The first state: every pool is registered and begins its first start.
    pub(super) fn first(world: &World) -> Result<Self, Violation> {
        let mut state = Self { host: world.host(), around: Around::default(), now: Time::ZERO };
        let mut marks = Marks::default();
        for input in world.registrations() {
            state.feed(input, &mut marks, None)?;
        }
        Ok(state)
    }

    pub(super) fn fingerprint(&self, to: &mut Fingerprint) -> u64 {
        to.restart(self.now);
        self.host.write_fingerprint(to);
        self.around.write_fingerprint(to, World::GRACE);
        // Whether the load goes on for too long: a move of this world asks, the core does not.
        for pool in self.host.view().pools().filter(|pool| pool.phase == PhaseName::Starting) {
            to.optional_past(pool.engine.map(|engine| engine.spawned), World::LOADS_WITHIN);
        }
        to.finish()
    }

    /// The bytes of a state that waits for its turn: a tenth of what it takes as it is.
    pub(super) fn pack(&self) -> Box<[u8]> {
        // None of our types refuses to be written, and a vector does not fill up.
        postcard::to_allocvec(self).unwrap_or_default().into_boxed_slice()
    }

    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// Whether everything has come to rest as it should be: what is wanted up serves, what is not is stopped, nothing
    /// runs or waits. A configuration that cannot work is a rest, too: only its operator can end that.
    pub(super) fn is_settled(&self) -> bool {
        if self.around.exited {
            return true;
        }
        let pending = self.around.pending.iter();
        let idle = pending.clone().all(|pending| matches!(pending.asked, Asked::Probe(_)));
        idle && !self.host.view().is_closing() && self.host.view().pools().all(|pool| rests(&pool))
    }
}

fn rests(pool: &PoolView<'_>) -> bool {
    let at_rest = match (pool.phase, pool.wanted) {
        (PhaseName::Ready, Wanted::Up) => pool.health.ready,
        (PhaseName::Stopped, Wanted::Down(_)) => true,
        // Looked at again only when something is told to change it.
        (PhaseName::Held, Wanted::Up) => {
            pool.held == Some(pool_manager_core::HoldReason::Config) && pool.next.is_none()
        }
        (
            PhaseName::Draining
            | PhaseName::Ended
            | PhaseName::Held
            | PhaseName::Ready
            | PhaseName::Staging
            | PhaseName::Starting
            | PhaseName::Stopped
            | PhaseName::Stopping
            | PhaseName::Waiting,
            _,
        ) => false,
    };
    at_rest && pool.operation.is_none()
}
