//! S40: events carry no text but what an operator wrote into a catalog: no prompt, no line of a log, nothing of an
//! engine's environment. The core is never told any of these; this is the check that it makes up nothing either.

use pool_manager_core::{CatalogEntry, Event, EventKind, Input, ReloadTarget, Verb};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct NoSecrets {
    told: Vec<CatalogEntry>,
}

impl Oracle for NoSecrets {
    fn input(&mut self, input: &Input, _before: Observed<'_>) -> Result<(), Violation> {
        if let Input::Register { spec, .. } = input {
            self.learn(&spec.engine.catalog);
        }
        if let Input::Command { verb: Verb::Reload(reload), .. } = input
            && let ReloadTarget::Spec(spec) = &reload.to
        {
            self.learn(&spec.catalog);
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        let Some((from, to)) = texts(&event.kind) else { return Ok(()) };
        let known = self.told.contains(from) && self.told.contains(to);
        hold(known, "S40: events carry no text but that of a catalog", || format!("{event:?}"))
    }
}

impl NoSecrets {
    fn learn(&mut self, catalog: &CatalogEntry) {
        if !self.told.contains(catalog) {
            self.told.push(catalog.clone());
        }
    }
}

/// The text an event carries. Every kind is named, so that whoever adds one with text comes by here.
const fn texts(kind: &EventKind) -> Option<(&CatalogEntry, &CatalogEntry)> {
    match kind {
        EventKind::Committed { from, to } => Some((from, to)),
        EventKind::CandidateFailed { .. }
        | EventKind::CircuitChanged { .. }
        | EventKind::Crashed { .. }
        | EventKind::Deregistered
        | EventKind::DrainEnded { .. }
        | EventKind::DrainStarted { .. }
        | EventKind::EngineCleared
        | EventKind::EngineDoomed { .. }
        | EventKind::EngineEnded { .. }
        | EventKind::EngineReady { .. }
        | EventKind::EngineSpawned { .. }
        | EventKind::EngineStuck
        | EventKind::EngineSuspect { .. }
        | EventKind::FileFailed { .. }
        | EventKind::LeaseEnded { .. }
        | EventKind::OperationEnded { .. }
        | EventKind::OperationStarted { .. }
        | EventKind::PhaseChanged { .. }
        | EventKind::PortStranger { .. }
        | EventKind::ProbeFailed { .. }
        | EventKind::Registered
        | EventKind::BreakerReset
        | EventKind::RestartAllowed
        | EventKind::RestartHeldBack { .. }
        | EventKind::RestartPrevented { .. }
        | EventKind::RestartsFrequent { .. }
        | EventKind::Resumed { .. }
        | EventKind::RestartScheduled { .. }
        | EventKind::ShutdownStarted { .. }
        | EventKind::ModelStaged { .. }
        | EventKind::StormBegan { .. }
        | EventKind::Signalled { .. }
        | EventKind::StaleInput => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn a_text_nobody_wrote_into_a_catalog_is_found() {
        let forged = Forged::new();
        let mut oracle = NoSecrets::default();
        let told = forged.pool().spec.catalog.clone();
        oracle.learn(&told);
        let leaked = CatalogEntry { model: "API_KEY=hunter2".to_owned(), ..told.clone() };
        let committed = |to: &CatalogEntry| {
            forged.event(EventKind::Committed { from: Box::new(told.clone()), to: Box::new(to.clone()) })
        };
        assert_eq!(oracle.event(&committed(&told), forged.observed()), Ok(()));
        assert!(oracle.event(&committed(&leaked), forged.observed()).is_err());
    }
}
