//! What goes wrong with the things engines need in the simulated host: GPUs, ports, and the way probes take. Each
//! passes by itself, at the latest when the world calms.

use std::time::Duration;

use pool_manager_core::{EngineRef, ExitStatus, LogClass, PoolUid, SpecHash};

use super::{Occurrence, World};
use crate::engine::{Ending, EngineHealth};
use crate::gpu::Ailment;
use crate::network::Trouble;

impl World {
    /// Something is wrong with a device for a while.
    pub(crate) fn ail_gpu(&mut self, device: &str, ailment: Ailment, lasts: Duration) {
        let now = self.now;
        self.resources.gpus_mut().ail(device, ailment, (now, now + lasts));
    }

    /// The driver of all GPUs cannot be used for a while.
    pub(crate) fn unload_driver(&mut self, lasts: Duration) {
        self.resources.gpus_mut().unload_driver(self.now + lasts);
    }

    /// Whoever looks at a GPU gets no answer for a while.
    pub(crate) fn silence_gpus(&mut self, lasts: Duration) {
        self.resources.gpus_mut().fall_silent(self.now + lasts);
    }

    /// Two devices have each other's name for a while.
    pub(crate) fn swap_gpus(&mut self, one: &str, other: &str, lasts: Duration) {
        self.resources.gpus_mut().swap(one, other, self.now + lasts);
    }

    /// The driver reports an error of a device: every pool that may touch it hears of it.
    pub(crate) fn report_xid(&mut self, device: &str, xid: u32) {
        for pool in self.pools_on(device) {
            self.gpu_fault(pool, xid);
        }
    }

    /// Every engine on a device logs a line.
    pub(crate) fn log_on(&mut self, device: &str, class: LogClass) {
        for engine in self.engines_on(device) {
            self.log_line(engine.pool, class);
        }
    }

    /// Every engine on a device ends by itself after a while.
    pub(crate) fn end_engines_on(&mut self, device: &str, after: Duration, ending: &Ending) {
        for engine in self.engines_on(device) {
            let ending = ending.clone();
            self.agenda.file(self.now + after, Occurrence::EngineDies { engine, ending });
        }
        self.run_instant();
    }

    /// No engine on a device answers any more.
    pub(crate) fn hang_engines_on(&mut self, device: &str) {
        for engine in self.engines_on(device) {
            self.set_health(engine.pool, EngineHealth::Hangs);
        }
    }

    /// The memory of the pool's engine stays on its devices for so long after its end. `false`: there is none.
    pub(crate) fn set_lingering(&mut self, pool: PoolUid, lingers: Duration) -> bool {
        let process = self.live_engine(pool).and_then(|engine| self.processes.get_mut(engine));
        process.is_some_and(|process| {
            process.lingers = crate::random::Span::exactly(lingers);
            true
        })
    }

    /// A process that is none of ours listens on the pool's port for a while. `false`: it has none.
    pub(crate) fn occupy_port_of(&mut self, pool: PoolUid, pid: u32, lasts: Duration) -> bool {
        let port = self.host.view().pool(pool).and_then(|pool| pool.spec.port);
        port.is_some_and(|port| {
            self.resources.occupy_port_until(port, pid, self.now + lasts);
            true
        })
    }

    /// The way to a pool's engines is bad for a while.
    pub(crate) fn trouble_way(&mut self, pool: PoolUid, trouble: Trouble, lasts: Duration) {
        self.network.trouble(pool, trouble, self.now + lasts);
    }

    /// What the devices make of a load that begins now: it takes longer, or finds no room. Returns how long it takes.
    pub(super) fn burden(&mut self, engine: EngineRef, spec: SpecHash, loads: Duration) -> Duration {
        let Some(spec) = self.specs.get(&spec) else { return loads };
        let gpus = self.resources.gpus();
        let loads = loads.saturating_mul(gpus.slowness(&spec.device_mask, self.now));
        if gpus.have_no_room(&spec.device_mask, self.now) {
            let log = vec![LogClass::GpuOutOfMemory];
            let ending = Ending { log, ..Ending::plain(ExitStatus::Code(1)) };
            self.agenda.file(self.now + loads / 2, Occurrence::EngineDies { engine, ending });
        }
        loads
    }

    /// The pools whose engine, or whose next one, may touch a device.
    fn pools_on(&self, device: &str) -> Vec<PoolUid> {
        let view = self.host.view();
        let touches = |pool: &PoolUid| {
            let runs = self.live_engine(*pool).and_then(|engine| self.spec_of(engine));
            let spec = runs.or_else(|| view.pool(*pool).map(|pool| pool.spec));
            spec.is_some_and(|spec| spec.device_mask.iter().any(|name| name == device))
        };
        self.places.iter().copied().filter(touches).collect()
    }

    fn engines_on(&self, device: &str) -> Vec<EngineRef> {
        self.pools_on(device).into_iter().filter_map(|pool| self.live_engine(pool)).collect()
    }

    fn spec_of(&self, engine: EngineRef) -> Option<&pool_manager_core::EngineSpec> {
        self.processes.of(engine).and_then(|process| self.specs.get(&process.spec))
    }
}
