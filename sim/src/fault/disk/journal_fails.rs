//! The journal cannot be written (D1, D2): the supervisor goes on from memory, and refuses what it could not promise. If
//! it dies meanwhile it wakes up in the past.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// EIO, ENOSPC or a file system that became read-only, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalFails {
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for JournalFails {
    const MEANS: &'static str = "the journal cannot be written";
    const EVERY: Duration = Duration::from_secs(180);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(_scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { lasts: stream.span(Span::millis(10, 60_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.fail_journal(self.lasts);
    }
}
