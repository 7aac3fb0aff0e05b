//! The executors of a real host, put together: each effect goes to the one that knows how, and what
//! the core did is logged and counted. Made by `daemon`, owned by the driver.

use std::io;
use std::sync::Arc;

use pool_manager_core::{
    Completion, Effect, EffectId, EngineRef, Event, EventKind, FileError, FileKind, Host, ProbeAnswer,
    ProbeKind, StageError,
};
use std::time::Duration;

use crate::driver::Executors;
use crate::executor::Completions;
use crate::executor::engines::Engines;
use crate::executor::evidence::EvidenceExecutor;
use crate::executor::files::Files;
use crate::executor::live_log::LiveLogs;
use crate::executor::probe::{Listener, Loopback, Prober, Question};
use crate::executor::release::ReleaseExecutor;
use crate::executor::signal::SignalExecutor;
use crate::executor::spawn::SpawnExecutor;
use crate::executor::stage::StageExecutor;
use crate::gpu::{GpuRoom, Nvml};
use crate::launch::{Endpoint, Launches};
use crate::linux::listener::{ListenerOwner, listener_is_ours};
use crate::linux::state_dir::StateDir;
use crate::staging::{Pace, Provisioner};
use crate::telemetry::{self, Metrics, Subject};

/// Looks up who listens on a port, given the pid of the engine that should.
type ListenerOf = fn(u16, u32) -> Listener;

/// Everything that carries out effects on this host.
#[derive(Debug)]
pub struct Local {
    launches: Launches,
    engines: Engines,
    completions: Completions,
    spawn: SpawnExecutor,
    signal: SignalExecutor,
    probe: Prober<Loopback<ListenerOf>>,
    files: Files,
    evidence: EvidenceExecutor,
    release: ReleaseExecutor,
    stage: StageExecutor,
    _live_logs: LiveLogs,
    metrics: Arc<Metrics>,
}

impl Local {
    /// Starts the threads that executors need. Called inside a tokio runtime.
    ///
    /// # Errors
    /// What the operating system says of threads, signal handlers or the state directory.
    pub fn start(
        state_dir: &StateDir,
        engines: Engines,
        launches: Launches,
        completions: Completions,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let logs = state_dir.logs_dir();
        Ok(Self {
            spawn: SpawnExecutor::start(engines.clone(), launches.clone(), logs, completions.clone())?,
            signal: SignalExecutor::new(engines.clone()),
            probe: Prober::new(Loopback::new(listener_of as ListenerOf), completions.clone()),
            files: Files::open(state_dir.path(), completions.clone())?,
            evidence: EvidenceExecutor::new(engines.clone(), completions.clone()),
            release: ReleaseExecutor::new(
                engines.clone(),
                launches.clone(),
                GpuRoom::new(Nvml),
                completions.clone(),
            ),
            _live_logs: LiveLogs::start(engines.clone(), completions.clone())?,
            stage: StageExecutor::new(Provisioner::new(Pace::default()), completions.clone()),
            launches,
            engines,
            completions,
            metrics,
        })
    }

    fn probe(&self, id: EffectId, engine: EngineRef, kind: ProbeKind, timeout: Duration) {
        let Some(process) = self.engines.get(engine) else {
            return self.completions.completed(id, Completion::Probed(ProbeAnswer::Refused));
        };
        let endpoint: Endpoint = match kind {
            ProbeKind::Liveness => process.launch.liveness.clone(),
            ProbeKind::Readiness => process.launch.readiness.clone(),
        };
        self.probe.start(Question { id, engine, engine_pid: process.pid, endpoint, kind, timeout });
    }

    fn write_file(&self, id: EffectId, engine: EngineRef, file: FileKind) {
        let Some(process) = self.engines.get(engine) else {
            // Nothing exists that a file could tell about.
            return self.completions.completed(id, Completion::FileDone(Err(FileError::Io(libc::ESRCH))));
        };
        match file {
            FileKind::Handoff => self.files.write_handoff(id, engine, &process.launch),
            FileKind::Pid => self.files.write_pid(id, engine, &process.launch.pool, process.pid),
        }
    }

    fn remove_file(&self, id: EffectId, engine: EngineRef, file: FileKind) {
        let Some(process) = self.engines.get(engine) else {
            // A process that never was has no files.
            return self.completions.completed(id, Completion::FileDone(Ok(())));
        };
        self.files.remove(id, engine, &process.launch.pool, file);
    }
}

impl Executors for Local {
    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::CancelStage { id } => self.stage.cancel(id),
            Effect::CheckRelease { id, spec } => self.release.check(id, spec),
            Effect::CollectEvidence { id, engine, within } => self.evidence.collect(id, engine, within),
            Effect::Preflight { id, pool: _, spec } => match self.launches.get(spec) {
                Some(launch) => self.stage.preflight(id, launch),
                None => self.completions.completed(id, Completion::Preflighted(Err(StageError::Missing))),
            },
            Effect::Probe { id, engine, kind, timeout } => self.probe(id, engine, kind, timeout),
            Effect::RemoveFile { id, engine, file } => self.remove_file(id, engine, file),
            Effect::Signal { engine, signal } => self.signal.signal(engine, signal),
            Effect::Spawn { id, engine, spec } => self.spawn.spawn(id, engine, spec),
            Effect::Stage { id, pool: _, spec } => match self.launches.get(spec) {
                Some(launch) => self.stage.stage(id, launch),
                None => self.completions.completed(id, Completion::Staged(Err(StageError::Missing))),
            },
            Effect::WriteFile { id, engine, file } => self.write_file(id, engine, file),
            // The driver answers and exits itself.
            Effect::Exit | Effect::Reply { .. } => {}
        }
    }

    fn observe(&mut self, host: &Host, pool: Option<&str>, event: &Event) {
        self.metrics.observe(event, pool);
        let view = event.pool.and_then(|uid| host.view().pool(uid));
        let subject = view.map(|view| Subject::of(&view, event.at));
        telemetry::log(&telemetry::record(event, subject.as_ref()));
        if let (EventKind::Deregistered, Some(uid)) = (&event.kind, event.pool) {
            self.engines.forget(uid);
        }
    }
}

fn listener_of(port: u16, engine_pid: u32) -> Listener {
    match listener_is_ours(port, engine_pid) {
        ListenerOwner::Ours => Listener::Ours,
        ListenerOwner::Stranger { .. } => Listener::Stranger,
        ListenerOwner::Nobody => Listener::Nobody,
    }
}
