//! A crash of the supervisor, and its next start. Engines, clients and files outlive it; executors do not, and
//! so neither do the effects they had been given.

use pool_manager::telemetry::Metrics;
use pool_manager_core::{Adopted, EngineRef, Host, HostConfig, Input, Resume};

use super::World;
use super::journal::Journal;

impl World {
    /// From now on every input is written to a journal, so that the supervisor can be started again.
    pub fn keep_journal(&mut self) {
        self.journal = Some(Journal::begin(&self.host, self.epoch, 1));
    }

    /// SIGKILL to the supervisor, in this instant.
    pub fn kill_supervisor(&mut self) {
        self.down = true;
        self.agenda.retain(super::Occurrence::outlives_supervisor);
        self.init_reaps();
    }

    /// The supervisor is started again with what its journal gives back, in this instant.
    ///
    /// # Panics
    /// When no journal was kept, or when it does not give back the state that was lost.
    pub fn start_supervisor(&mut self) {
        let replayed = match &mut self.journal {
            Some(journal) => journal.replayed(),
            None => Err("J05: no journal was kept".to_owned()),
        };
        match replayed {
            Ok(host) => {
                self.hold(host == self.host, "J06: the journal gives back the state that was lost");
                self.resume(host);
            }
            Err(reason) => self.fail(&reason),
        }
    }

    /// Another version of the supervisor is started, which can read nothing but the Facts, in this instant.
    ///
    /// # Panics
    /// When the Facts cannot be read back.
    pub fn start_other_version(&mut self) {
        let config = HostConfig { epoch: self.epoch + 1, ..self.config.clone() };
        match Journal::recalled(&self.host, config, self.epoch, self.now) {
            Ok(host) => self.resume(host),
            Err(reason) => self.fail(&reason),
        }
    }

    /// Whether the supervisor is dead.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.down
    }

    fn resume(&mut self, host: Host) {
        self.epoch += 1;
        self.host = host;
        self.down = false;
        self.journal = self.journal.take().map(|journal| journal.go_on(&self.host, self.epoch));
        // Metrics count from the supervisor's own start; the log goes on in the same files.
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.metrics = Metrics::default();
        }
        let census = self.census();
        self.sweep_leftovers();
        self.feed(Input::Resume(Box::new(census)));
        self.run_instant();
    }

    /// What the new start finds of the engines that were not reaped.
    fn census(&mut self) -> Resume {
        let mut resume = Resume { epoch: self.epoch, ..Resume::default() };
        let unreaped = self.processes.iter().filter(|process| !process.reaped);
        let engines: Vec<EngineRef> = unreaped.map(|process| process.engine).collect();
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
