//! Several operators command one pool in one instant, and not the same.

use std::time::Duration;

use pool_manager_core::{PoolUid, Verb};
use serde::{Deserialize, Serialize};

use super::word::Word;
use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// Commands in one instant; which comes first is for the seed to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorsContradict {
    pool: Place,
    words: Vec<Word>,
}

impl Strikes for OperatorsContradict {
    const MEANS: &'static str = "operators contradict each other in one instant";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let pool = scene.any(stream)?;
        let words = (0..2 + stream.below(4)).map(|_| Word::draw(stream)).collect();
        Some(Self { pool, words })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let verbs = self.words.iter().filter_map(|word| word.verb(world, self.pool));
        let orders: Vec<(PoolUid, Verb)> = verbs.map(|verb| (pool, verb)).collect();
        world.order(orders);
    }
}
