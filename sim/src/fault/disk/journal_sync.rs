//! The journal is slow or unable to reach the disk (D4, D5): answers wait, or a new segment takes its place.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// What becomes of syncs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum JournalSync {
    /// One fails.
    Fails,
    /// They take long, for a while.
    Slow {
        /// Each.
        #[serde(with = "duration")]
        takes: Duration,
        /// For so long.
        #[serde(with = "duration")]
        lasts: Duration,
    },
}

impl Strikes for JournalSync {
    const MEANS: &'static str = "the journal cannot be synced, or slowly";
    const EVERY: Duration = Duration::from_secs(90);
    const QUIET: Duration = Duration::from_secs(20);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        if stream.one_in(3) {
            return Some(Self::Fails);
        }
        let (takes, lasts) = (stream.span(Span::millis(1, 10_000)), stream.span(Span::millis(10, 60_000)));
        Some(Self::Slow { takes, lasts })
    }

    fn strike(&self, world: &mut World) {
        match self {
            Self::Fails => world.fail_journal_sync(),
            Self::Slow { takes, lasts } => world.slow_journal_sync(*takes, *lasts),
        }
    }
}
