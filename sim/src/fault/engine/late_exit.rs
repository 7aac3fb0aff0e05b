//! An engine that takes TERM and exits late: it ends its streams first (SGLang without a bound, TGI after up to
//! 90 s), around the grace of the stop ladder and beyond it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::TermBehaviour;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// The engine exits so long after TERM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateExit {
    pool: Place,
    #[serde(with = "duration")]
    after: Duration,
}

impl Strikes for LateExit {
    const MEANS: &'static str = "an engine exits late after TERM";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let near = stream.one_in(2);
        let after = stream.span(if near { Span::millis(900, 6_000) } else { Span::millis(0, 90_000) });
        Some(Self { pool: scene.with_engine(stream)?, after })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.set_term(pool, TermBehaviour::Exits(Span::exactly(self.after)));
    }
}
