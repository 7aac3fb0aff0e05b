//! An operator registers a pool under a new name whose port another pool has.

use std::time::Duration;

use pool_manager_core::PoolName;
use serde::{Deserialize, Serialize};

use crate::fault::{Place, Scene, Strikes};
use crate::random::Stream;
use crate::world::World;

/// A registration that must be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorImpostor {
    /// Whose port it is.
    pool: Place,
}

impl Strikes for OperatorImpostor {
    const MEANS: &'static str = "an operator registers a pool on another's port";
    const EVERY: Duration = Duration::from_secs(200);
    const QUIET: Duration = Duration::ZERO;

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        Some(Self { pool: scene.pick(stream, |pool| pool.spec.port.is_some())? })
    }

    fn strike(&self, world: &mut World) {
        let port = world.at(self.pool).and_then(|pool| world.view().pool(pool)?.spec.port);
        let (Some(port), Ok(name)) = (port, PoolName::new("impostor")) else { return };
        let answer = world.register_again(self.pool, |spec| {
            spec.name = name;
            spec.engine.port = Some(port);
        });
        let refused = answer.is_none_or(|answer| answer.is_err());
        world.hold(refused, "S06: no two pools have one port");
    }
}
