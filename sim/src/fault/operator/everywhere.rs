//! An operator commands all pools at once: everything is drained, stopped, started, or given another model, as a new
//! configuration does.

use std::time::Duration;

use pool_manager_core::{PoolUid, Verb};
use serde::{Deserialize, Serialize};

use super::word::{Asked, Word, draw_deadline};
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The same command to every pool, and perhaps another one later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorEverywhere {
    word: Word,
    /// How long after the first; `None` with none.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    after: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then: Option<Word>,
}

impl Strikes for OperatorEverywhere {
    const MEANS: &'static str = "an operator commands all pools at once";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(_: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let word = match stream.below(5) {
            0 => Word::Stop,
            1 => Word::Restart,
            2 => Word::Reload(Asked::draw(stream)),
            _ => Word::Drain { deadline: draw_deadline(stream) },
        };
        let then = (!stream.one_in(5)).then(|| match stream.below(4) {
            0 => Word::Undrain,
            1 => Word::Reload(Asked::draw(stream)),
            _ => Word::Preload,
        });
        let after = then.is_some().then(|| stream.span(Span::millis(0, 20_000)));
        Some(Self { word, after, then })
    }

    fn strike(&self, world: &mut World) {
        let places: Vec<Place> = (0..world.places().len()).map(Place::new).collect();
        let mut orders: Vec<(PoolUid, Verb)> = Vec::new();
        for place in places {
            orders.extend(world.at(place).zip(self.word.verb(world, place)));
            let then = self.then.as_ref().and_then(|word| word.verb(world, place));
            if let (Some(verb), Some(after)) = (then, self.after) {
                world.order_later(place, verb, after);
            }
        }
        world.order(orders);
    }
}
