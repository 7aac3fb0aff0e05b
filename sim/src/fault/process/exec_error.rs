//! An exec that fails for a reason of its own: arguments too long, a busy text file, an I/O error of the disk.

use std::time::Duration;

use pool_manager_core::SpawnError;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes, times};
use crate::mishap::BadStart;
use crate::random::Stream;
use crate::world::World;

/// The next starts of a pool are refused with this error number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecError {
    pool: Place,
    times: u32,
    errno: i32,
}

impl Strikes for ExecError {
    const MEANS: &'static str = "an exec fails with an odd error";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        // EIO, E2BIG, ETXTBSY, ELOOP.
        let errno = *stream.pick(&[5, 7, 26, 40])?;
        Some(Self { pool: scene.any(stream)?, times: times(stream), errno })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let start = BadStart { refused: Some(SpawnError::Io(self.errno)), ..BadStart::default() };
        world.spoil_starts(pool, self.times, &start);
    }
}
