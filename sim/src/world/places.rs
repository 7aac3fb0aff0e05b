//! What is registered where in the simulated host: a pool that was deregistered can come back to its place, and a
//! reload can put another model there. Commands of operators who know places, not uids.

use std::time::Duration;

use pool_manager_core::{EngineSpec, LogClass, PoolSpec, PoolUid, SpecHash, StageError, Verb};
use pool_manager_core::{ExitStatus, Refusal};
use serde::{Deserialize, Serialize};

use super::{Occurrence, World, correlation_of};
use crate::engine::{Ending, EngineProfile, Hazard};
use crate::fault::Place;
use crate::random::Span;
use crate::staging::StagingProfile;

/// What a reload may put in a pool's place, beside what runs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Model {
    /// As good as the first.
    Better,
    /// Its engine dies while it loads.
    Broken,
    /// Its engine cannot start as configured.
    Misconfigured,
    /// It is on other GPUs.
    Elsewhere,
    /// It is ready, and dies soon after.
    Fragile,
    /// It loads for ever.
    NeverReady,
    /// It loads for long.
    Slow,
    /// Fetching it takes long.
    StagesLong,
    /// Fetching it gets stuck.
    StagesNever,
    /// The same bytes, served otherwise.
    Twin,
    /// A look at it beforehand says that it will not do.
    Unfit,
    /// It cannot be fetched.
    Unstageable,
}

impl Model {
    pub(crate) const ALL: [Self; 12] = [
        Self::Better,
        Self::Broken,
        Self::Misconfigured,
        Self::Elsewhere,
        Self::Fragile,
        Self::NeverReady,
        Self::Slow,
        Self::StagesLong,
        Self::StagesNever,
        Self::Twin,
        Self::Unfit,
        Self::Unstageable,
    ];
}

impl World {
    /// A pool was registered: it takes the place of the one that had its name before.
    pub(super) fn settle(&mut self, pool: PoolUid, template: PoolSpec) {
        self.names.insert(pool, template.name.clone());
        match self.templates.iter().position(|known| known.name == template.name) {
            Some(place) => {
                let before = std::mem::replace(&mut self.places[place], pool);
                self.templates[place] = template;
                if let Some(traffic) = self.traffic.remove(&before) {
                    self.set_traffic(pool, traffic);
                }
            }
            None => {
                self.places.push(pool);
                self.templates.push(template);
            }
        }
    }

    /// How the pool at a place was registered.
    pub(crate) fn template(&self, place: Place) -> Option<&PoolSpec> {
        self.templates.get(place.number())
    }

    /// Registers what was registered at a place, once more: its pool may be gone, or not.
    ///
    /// # Errors
    /// The core's refusal. `None`: nothing ever was there, or nobody is there to be asked.
    pub(crate) fn register_again(
        &mut self,
        place: Place,
        change: impl FnOnce(&mut PoolSpec),
    ) -> Option<Result<PoolUid, Refusal>> {
        if self.is_down() || self.has_exited() {
            return None;
        }
        let mut spec = self.template(place)?.clone();
        change(&mut spec);
        Some(self.register_scripted(spec))
    }

    /// A spec for the pool at a place that runs another model; the engines of it and its staging behave so from now
    /// on. `takes`: what takes long with it.
    pub(crate) fn model(&mut self, place: Place, model: Model, takes: Duration) -> Option<EngineSpec> {
        let base = &self.template(place)?.engine;
        let (hash, number) = (base.hash, model as u64);
        let mut spec = base.clone();
        // Any number does that differs between places and models.
        spec.hash = SpecHash(hash.0.wrapping_mul(1_000_003).wrapping_add(number));
        spec.catalog.model = format!("model-{number}");
        if model == Model::Elsewhere {
            spec.device_mask = base.device_mask.iter().map(|device| next_device(device)).collect();
        }
        let engine = self.profiles.get(&hash).cloned().unwrap_or_default();
        self.set_engine(spec.hash, engine_of(model, engine, takes));
        let mut staging = staging_of(model, takes);
        if model == Model::Twin {
            staging.stamp = Some(self.staging.stamp(hash));
        }
        self.set_staging(spec.hash, staging);
        Some(spec)
    }

    /// Commands that nobody waits for, all in one turn of the driver.
    pub(crate) fn order(&mut self, orders: impl IntoIterator<Item = (PoolUid, Verb)>) {
        for (pool, verb) in orders {
            self.learn(&verb);
            let command = self.next_command();
            let correlation = correlation_of(command);
            let input = pool_manager_core::Input::Command { command, correlation, pool, verb };
            self.agenda.file(self.now, Occurrence::Arrives(input));
        }
        self.run_instant();
    }

    /// A command about whatever is registered at a place after a while.
    pub(crate) fn order_later(&mut self, place: Place, verb: Verb, after: Duration) {
        self.agenda.file(self.now + after, Occurrence::OperatorSends { place, verb });
    }
}

/// Devices are numbers in plans.
fn next_device(device: &str) -> String {
    device.parse::<u8>().map_or_else(|_| device.to_owned(), |number| number.wrapping_add(1).to_string())
}

fn engine_of(model: Model, engine: EngineProfile, takes: Duration) -> EngineProfile {
    let dies = |after, endings| Some(Hazard { one_in: 1, after, endings });
    let while_it_loads = Span { from: Duration::ZERO, to: takes.min(Duration::from_secs(2)) };
    match model {
        Model::Better
        | Model::Elsewhere
        | Model::StagesLong
        | Model::StagesNever
        | Model::Twin
        | Model::Unfit
        | Model::Unstageable => EngineProfile { hazard: None, ..engine },
        Model::Broken => EngineProfile {
            load: Span::exactly(Duration::from_secs(3)),
            hazard: dies(while_it_loads, ends_of_a_load()),
            ..engine
        },
        Model::Misconfigured => EngineProfile {
            load: Span::exactly(Duration::from_secs(3)),
            hazard: dies(while_it_loads, vec![Ending::plain(ExitStatus::Code(2))]),
            ..engine
        },
        Model::Fragile => {
            let after = engine.load.to + takes.min(Duration::from_secs(5));
            let ending = Ending::plain(ExitStatus::Signal(11));
            EngineProfile { hazard: dies(Span::exactly(after), vec![ending]), ..engine }
        }
        Model::NeverReady => {
            EngineProfile { load: Span::exactly(Duration::from_secs(36_000)), hazard: None, ..engine }
        }
        Model::Slow => EngineProfile { load: Span::exactly(takes), hazard: None, ..engine },
    }
}

fn ends_of_a_load() -> Vec<Ending> {
    let says = |class, status| Ending { log: vec![class], ..Ending::plain(status) };
    vec![
        says(LogClass::ModelLoad, ExitStatus::Code(1)),
        says(LogClass::CudaError, ExitStatus::Signal(6)),
        says(LogClass::GpuOutOfMemory, ExitStatus::Code(1)),
        says(LogClass::AddressInUse, ExitStatus::Code(1)),
        Ending::plain(ExitStatus::Code(0)),
    ]
}

fn staging_of(model: Model, takes: Duration) -> StagingProfile {
    let fetch = StagingProfile {
        fetch: true,
        takes: Some(Span::exactly(takes)),
        progress_every: Duration::from_secs(2),
        ..StagingProfile::default()
    };
    match model {
        Model::Better
        | Model::Broken
        | Model::Misconfigured
        | Model::Elsewhere
        | Model::Fragile
        | Model::NeverReady
        | Model::Slow
        | Model::Twin => StagingProfile::default(),
        Model::StagesLong => fetch,
        Model::StagesNever => StagingProfile { stalls_after: Some(takes / 2), ..fetch },
        Model::Unfit => {
            StagingProfile { preflight_fails: Some(StageError::Missing), ..StagingProfile::default() }
        }
        Model::Unstageable => StagingProfile { fails: Some(StageError::BadDigest), ..fetch },
    }
}
