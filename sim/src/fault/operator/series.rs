//! An operator, or a script, commands one pool again and again, without waiting for what comes of it: reloads
//! during reloads, stops during loads, drains taken back and given again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::word::Word;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// Commands one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorSeries {
    pool: Place,
    /// Between two of them.
    #[serde(with = "duration")]
    every: Duration,
    words: Vec<Word>,
}

impl Strikes for OperatorSeries {
    const MEANS: &'static str = "an operator does not wait for what comes of a command";
    const EVERY: Duration = Duration::from_secs(120);
    const QUIET: Duration = Duration::from_secs(5);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let (pool, every) = (scene.any(stream)?, stream.span(Span::millis(0, 4000)));
        let words = match stream.below(4) {
            // By hand what a supervisor must never do: a storm of restarts.
            0 => (0..4 + stream.below(12)).map(|_| Word::Restart).collect(),
            1 => (0..2 + stream.below(4)).map(|_| Word::Reload(super::word::Asked::draw(stream))).collect(),
            2 => (0..2 + stream.below(4))
                .flat_map(|_| [Word::Drain { deadline: super::word::draw_deadline(stream) }, Word::Undrain])
                .collect(),
            _ => (0..3 + stream.below(6)).map(|_| Word::draw(stream)).collect(),
        };
        Some(Self { pool, every, words })
    }

    fn strike(&self, world: &mut World) {
        for (turn, word) in (0..).zip(&self.words) {
            if let Some(verb) = word.verb(world, self.pool) {
                world.order_later(self.pool, verb, self.every * turn);
            }
        }
    }
}
