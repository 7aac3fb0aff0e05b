//! SIGTERM while a pool is in the middle of a reload (G3, of a supervisor that reloads by command and not by HUP).

use std::time::Duration;

use pool_manager_core::OperationKind;
use serde::{Deserialize, Serialize};

use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// One SIGTERM, when it is least welcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermMidReload {
    /// From its end to its next start.
    #[serde(with = "duration")]
    back_after: Duration,
}

impl Strikes for TermMidReload {
    const MEANS: &'static str = "the supervisor is told to end while a pool reloads";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(60);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let mut pools = scene.world.view().pools();
        pools.find(|pool| pool.operation.is_some_and(|running| running.kind == OperationKind::Reload))?;
        Some(Self { back_after: stream.span(Span::millis(0, 20_000)) })
    }

    fn strike(&self, world: &mut World) {
        world.terminate(self.back_after);
    }
}
