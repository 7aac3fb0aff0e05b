//! What engines compete for in the simulated host: GPUs, their driver, and ports. A release check looks here.

use std::collections::{BTreeMap, BTreeSet};

use pool_manager_core::{EngineSpec, PoolUid, ReleaseAnswer, Time};

use crate::gpu::Gpus;

/// GPUs and ports as a release check finds them. Fresh: every GPU there is, the driver fits, no port is taken.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// `None`: whatever a mask names is there.
    present: Option<BTreeSet<String>>,
    driver_is_broken: bool,
    /// Processes that are none of ours, by the port they listen on, and until when.
    strangers: BTreeMap<u16, (u32, Time)>,
    /// Until when what a pool's last engine used stays taken, apart from its GPUs.
    lingering: BTreeMap<PoolUid, Time>,
    gpus: Gpus,
}

impl Resources {
    /// Only these GPUs are there from now on.
    pub fn set_gpus(&mut self, gpus: impl IntoIterator<Item = String>) {
        self.present = Some(gpus.into_iter().collect());
    }

    /// Whether driver and library fit together.
    pub const fn set_driver_fits(&mut self, fits: bool) {
        self.driver_is_broken = !fits;
    }

    /// A process that is none of ours listens on a port.
    pub fn occupy_port(&mut self, port: u16, pid: u32) {
        self.occupy_port_until(port, pid, Time::NEVER);
    }

    /// It does not any more.
    pub fn free_port(&mut self, port: u16) {
        self.strangers.remove(&port);
    }

    pub(crate) fn occupy_port_until(&mut self, port: u16, pid: u32, until: Time) {
        self.strangers.insert(port, (pid, until));
    }

    pub(crate) const fn gpus(&self) -> &Gpus {
        &self.gpus
    }

    pub(crate) const fn gpus_mut(&mut self) -> &mut Gpus {
        &mut self.gpus
    }

    /// An engine ended; what it used is free then.
    pub(crate) fn linger(&mut self, pool: PoolUid, mask: &[String], now: Time, until: Time) {
        self.lingering.insert(pool, until);
        self.gpus.linger(mask, now, until);
    }

    /// What would have passed by itself has passed.
    pub(crate) fn calm(&mut self) {
        self.strangers.retain(|_, (_, until)| *until == Time::NEVER);
        self.gpus.heal();
    }

    /// What a check for the next engine of a pool finds. `in_use`: an engine of it still runs.
    pub(crate) fn check(&self, pool: PoolUid, spec: &EngineSpec, in_use: bool, now: Time) -> ReleaseAnswer {
        let mask = &spec.device_mask;
        let driver_fits = !self.driver_is_broken && self.gpus.has_driver(now);
        if !driver_fits && !mask.is_empty() {
            return ReleaseAnswer::DriverMismatch;
        }
        let is_present = |device: &String| self.present.as_ref().is_none_or(|gpus| gpus.contains(device));
        if !mask.iter().all(is_present) || !self.gpus.are_there(mask, now) {
            return ReleaseAnswer::NoDevice;
        }
        let stranger = spec.port.and_then(|port| Some((port, *self.strangers.get(&port)?)));
        if let Some((port, (pid, _))) = stranger.filter(|(_, (_, until))| *until > now) {
            return ReleaseAnswer::PortStranger { port, pid: Some(pid) };
        }
        let lingers = self.lingering.get(&pool).is_some_and(|until| *until > now);
        if in_use || lingers || self.gpus.look_used(mask, now) {
            ReleaseAnswer::Held
        } else {
            ReleaseAnswer::Free
        }
    }
}
