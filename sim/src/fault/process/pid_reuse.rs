//! Pids are used again at once: a small space, and the lowest that is free is taken first. There may even be none
//! left, which is EAGAIN.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// From now on there are so many pids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidReuse {
    pids: u32,
}

impl Strikes for PidReuse {
    const MEANS: &'static str = "pids are used again at once";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(30);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let taken = scene.world.processes().not_over().count();
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Some(Self { pids: taken.saturating_add(1 + stream.below(24)) })
    }

    fn strike(&self, world: &mut World) {
        world.make_pids_scarce(self.pids);
    }
}
