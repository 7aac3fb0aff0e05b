//! A crash of the supervisor, and its next start. Engines, clients and files outlive it; executors do not, and
//! so neither do the effects they had been given.

use pool_manager::telemetry::Metrics;
use pool_manager_core::{Adopted, EngineRef, Host, Input, Resume};

use super::World;

impl World {
    /// SIGKILL to the supervisor, in this instant.
    pub fn kill_supervisor(&mut self) {
        self.down = true;
        self.agenda.retain(super::Occurrence::outlives_supervisor);
    }

    /// The supervisor is started again with what its journal gives back, in this instant.
    pub fn start_supervisor(&mut self) {
        self.epoch += 1;
        self.host = self.restored();
        self.down = false;
        // A process counts from its own start; the log goes on in the same files.
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.metrics = Metrics::default();
        }
        let resume = self.census();
        self.feed(Input::Resume(Box::new(resume)));
        self.run_instant();
    }

    /// Whether the supervisor is dead.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.down
    }

    /// What the journal gives back: every input is in it before anything acts on it.
    fn restored(&self) -> Host {
        self.host.clone()
    }

    /// What the new start finds of the engines that were not reaped.
    fn census(&mut self) -> Resume {
        let mut resume = Resume { epoch: self.epoch, ..Resume::default() };
        let engines: Vec<EngineRef> =
            self.processes.iter().filter(|process| !process.reaped).map(|process| process.engine).collect();
        for engine in engines {
            let Some(process) = self.processes.get_mut(engine) else { continue };
            process.acknowledged = true;
            match process.ended {
                Some((_, status)) => {
                    process.reaped = true;
                    resume.ended.push((engine, status));
                }
                None => resume.alive.push(Adopted { engine, pid: process.pid }),
            }
        }
        resume
    }
}
