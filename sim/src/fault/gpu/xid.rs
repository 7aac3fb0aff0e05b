//! The driver reports an error of a GPU: a page fault of one engine (13, 31, 43), a memory error (48, 63, 64, 94, 95), a hung firmware (119). Its engines may say so in their logs, before or after, and may die.

use std::time::Duration;

use pool_manager_core::{ExitStatus, LogClass};
use serde::{Deserialize, Serialize};

use crate::engine::Ending;
use crate::fault::{Scene, Strikes};
use crate::plan::duration;
use crate::random::{Span, Stream};
use crate::world::World;

/// An error of a device is reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuXid {
    device: String,
    xid: u32,
    /// What its engines say of it.
    says: Says,
    /// Whether they die, and how long after.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    dies_after: Option<Duration>,
}

/// When its engines say so in their logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Says {
    After,
    Before,
    Nothing,
}

impl Strikes for GpuXid {
    const MEANS: &'static str = "a GPU's driver reports an error";
    const EVERY: Duration = Duration::from_secs(60);
    const QUIET: Duration = Duration::from_secs(1);

    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self> {
        let xid = *stream.pick(&[13, 31, 43, 48, 63, 64, 74, 94, 95, 119])?;
        let says = *stream.pick(&[Says::Nothing, Says::Before, Says::After])?;
        let dies_after = stream.one_in(3).then(|| stream.span(Span::millis(0, 12_000)));
        Some(Self { device: scene.device(stream)?, xid, says, dies_after })
    }

    fn strike(&self, world: &mut World) {
        if self.says == Says::Before {
            world.log_on(&self.device, LogClass::CudaError);
        }
        world.report_xid(&self.device, self.xid);
        if self.says == Says::After {
            world.log_on(&self.device, LogClass::CudaError);
        }
        if let Some(after) = self.dies_after {
            world.end_engines_on(&self.device, after, &Ending::plain(ExitStatus::Signal(6)));
        }
    }
}
