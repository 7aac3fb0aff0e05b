//! A process that is none of ours takes a pool's port: the next engine of it must wait.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// A stranger listens on the port of a pool for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStranger {
    pool: Place,
    pid: u32,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for PortStranger {
    const MEANS: &'static str = "a stranger takes a pool's port";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let lasts = Span::millis(10, if stream.one_in(3) { 100_000 } else { 5000 });
        let pool = scene.pick(stream, |pool| pool.spec.port.is_some())?;
        Some(Self { pool, pid: 50_000 + stream.below(3), lasts: stream.span(lasts) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.occupy_port_of(pool, self.pid, self.lasts);
    }
}
