//! What engines compete for in the simulated host: GPUs, their driver, and ports. A release check looks here.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{EngineSpec, PoolUid, ReleaseAnswer, Time};

/// GPUs and ports as a release check finds them. Fresh: every GPU there is, the driver fits, no port is taken.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// `None`: whatever a mask names is there.
    gpus: Option<BTreeSet<String>>,
    driver_is_broken: bool,
    /// Processes that are none of ours, by the port they listen on.
    strangers: BTreeMap<u16, u32>,
    /// Until when the memory of a pool's last engine stays taken.
    lingering: BTreeMap<PoolUid, Time>,
}

impl Resources {
    /// Only these GPUs are there from now on.
    pub fn set_gpus(&mut self, gpus: impl IntoIterator<Item = String>) {
        self.gpus = Some(gpus.into_iter().collect());
    }

    /// Whether driver and library fit together.
    pub const fn set_driver_fits(&mut self, fits: bool) {
        self.driver_is_broken = !fits;
    }

    /// A process that is none of ours listens on a port.
    pub fn occupy_port(&mut self, port: u16, pid: u32) {
        self.strangers.insert(port, pid);
    }

    /// It does not any more.
    pub fn free_port(&mut self, port: u16) {
        self.strangers.remove(&port);
    }

    pub(crate) fn linger(&mut self, pool: PoolUid, until: Time) {
        self.lingering.insert(pool, until);
    }

    /// What a check for the next engine of a pool finds. `in_use`: an engine of it still runs.
    pub(crate) fn check(&self, pool: PoolUid, spec: &EngineSpec, in_use: bool, now: Time) -> ReleaseAnswer {
        if self.driver_is_broken && !spec.device_mask.is_empty() {
            return ReleaseAnswer::DriverMismatch;
        }
        let is_there = |device: &String| self.gpus.as_ref().is_none_or(|gpus| gpus.contains(device));
        if !spec.device_mask.iter().all(is_there) {
            return ReleaseAnswer::NoDevice;
        }
        let stranger = spec.port.and_then(|port| Some((port, *self.strangers.get(&port)?)));
        if let Some((port, pid)) = stranger {
            return ReleaseAnswer::PortStranger { port, pid: Some(pid) };
        }
        let lingers = self.lingering.get(&pool).is_some_and(|until| *until > now);
        if in_use || lingers { ReleaseAnswer::Held } else { ReleaseAnswer::Free }
    }
}
