//! A PID or handoff file cannot be written or removed (D1, D2): it fails, hangs, or is done when nobody waits any more.

use std::time::Duration;

use pool_manager_core::FileKind;
use serde::{Deserialize, Serialize};

use crate::disk::FileTrouble;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// One file of one pool, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSick {
    pool: Place,
    file: FileKind,
    trouble: FileTrouble,
    #[serde(with = "duration")]
    lasts: Duration,
}

impl Strikes for FileSick {
    const MEANS: &'static str = "a PID or handoff file fails, hangs or is late";
    const EVERY: Duration = Duration::from_secs(40);
    const QUIET: Duration = Duration::from_secs(2);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let file = if stream.one_in(2) { FileKind::Pid } else { FileKind::Handoff };
        let trouble = match stream.below(3) {
            // No space left, input/output error, read-only file system.
            0 => FileTrouble::Fails { errno: *stream.pick(&[28, 5, 30])? },
            1 => FileTrouble::Hangs,
            _ => FileTrouble::Late { by: stream.span(Span::millis(1, 20_000)) },
        };
        Some(Self { pool: scene.any(stream)?, file, trouble, lasts: stream.span(Span::millis(10, 30_000)) })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        world.trouble_file(pool, self.file, self.trouble, self.lasts);
    }
}
