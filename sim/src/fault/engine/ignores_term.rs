//! An engine that ignores TERM: only KILL ends it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::TermBehaviour;
use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// The engine ignores TERM from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoresTerm {
    pool: Place,
}

impl Strikes for IgnoresTerm {
    const MEANS: &'static str = "an engine ignores TERM";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.with_engine(stream)? })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.set_term(pool, TermBehaviour::Ignores);
    }
}
