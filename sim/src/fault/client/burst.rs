//! Many clients ask at once: more than there are slots and places in the queue. Some go away again before they are
//! answered, some at the moment of the grant.

use std::time::Duration;

use pool_manager_core::Priority;
use serde::{Deserialize, Serialize};

use crate::clients::Stay;
use crate::fault::{Place, Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::{Asks, World};

/// Lease asks in one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientBurst {
    pool: Place,
    asks: u32,
    /// `None`: both, in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    /// How long each keeps what it is granted.
    #[serde(with = "duration")]
    stays: Duration,
    /// When each goes away, granted or not; `None`: it waits.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    withdraws: Option<Duration>,
}

impl Strikes for ClientBurst {
    const MEANS: &'static str = "many clients ask at once";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(1);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let priority = *stream.pick(&[None, None, Some(Priority::Batch), Some(Priority::Interactive)])?;
        let withdraws = match stream.below(4) {
            0 => Some(Duration::ZERO),
            1 => Some(stream.span(Span::millis(0, 3000))),
            _ => None,
        };
        Some(Self {
            pool: scene.any(stream)?,
            asks: 2 + stream.below(14),
            priority,
            stays: stream.span(Span::millis(0, 4000)),
            withdraws,
        })
    }

    fn strike(&self, world: &mut World) {
        let Some(pool) = world.at(self.pool) else { return };
        let Self { asks, priority, withdraws, .. } = *self;
        let stays = Stay::For(self.stays);
        world.ask_many(pool, Asks { asks, priority, ttl: None, stays, withdraws });
    }
}
