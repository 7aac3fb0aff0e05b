//! An operator registers a pool at its place once more: after it was deregistered, while it still drains, or when it
//! is there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRegister {
    pool: Place,
    autostart: bool,
}

impl Strikes for OperatorRegister {
    const MEANS: &'static str = "an operator registers a pool again";
    const EVERY: Duration = Duration::from_secs(30);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.place(stream)?, autostart: !stream.one_in(4) })
    }

    fn strike(&self, world: &mut World) {
        // A refusal is an answer like any other.
        let _ = world.register_again(self.pool, |spec| spec.autostart = self.autostart);
    }
}
