//! S26: no lease is taken from its holder before its time. It is cut at the deadline of a drain, by a stop, or by a
//! second request to end; it is lost with its engine; it expires when its time to live has passed.

use std::collections::BTreeMap;

use pool_manager_core::{
    Answer, CommandId, Effect, EngineRef, Event, EventKind, Input, LeaseEnding, LeaseId, PoolUid, PoolView,
    Time, Verb,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct LeaseEnds {
    step: Step,
    /// The pools that drained before this step: until when, and whether their engine is doomed.
    draining: BTreeMap<PoolUid, (Time, bool)>,
    /// Not before then does a lease expire.
    expires: BTreeMap<LeaseId, Time>,
    renewing: BTreeMap<CommandId, LeaseId>,
}

/// What of a step may take leases from their holders.
#[derive(Clone, Copy, Debug, Default)]
enum Step {
    Exited(EngineRef),
    ForcedDown,
    Resumed,
    Stops(PoolUid),
    Timer,
    #[default]
    Other,
}

impl Oracle for LeaseEnds {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        self.step = match input {
            Input::Command { pool, verb: Verb::Stop, .. } => Step::Stops(*pool),
            Input::Exited { engine, .. } => Step::Exited(*engine),
            Input::Resume(_) => Step::Resumed,
            Input::Shutdown { .. } if before.view.is_closing() => Step::ForcedDown,
            Input::Timer => Step::Timer,
            Input::Command { .. }
            | Input::Completed { .. }
            | Input::Gap { .. }
            | Input::GpuFault { .. }
            | Input::LeaseAsk { .. }
            | Input::LeaseEnd { .. }
            | Input::LeaseRenew { .. }
            | Input::LeaseWithdraw { .. }
            | Input::LogLine { .. }
            | Input::Register { .. }
            | Input::Shutdown { .. }
            | Input::StageProgress { .. }
            | Input::Stalled => Step::Other,
        };
        if let Input::Resume(_) = input {
            // What was renewed in the step in which the supervisor died, and until when, was told to nobody.
            for lease in std::mem::take(&mut self.renewing).into_values() {
                self.expires.remove(&lease);
            }
        }
        if let Input::LeaseRenew { command, lease, .. } = input {
            self.renewing.insert(*command, *lease);
        }
        Ok(())
    }

    fn history_lost(&mut self) {
        // Its last renewal is forgotten.
        self.expires.clear();
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        let Effect::Reply { command, answer } = effect else { return Ok(()) };
        let renewed = self.renewing.remove(command);
        let (lease, expires) = if let Answer::Granted { lease, expires } = **answer {
            (lease, expires)
        } else if let (Answer::Renewed { expires }, Some(lease)) = (&**answer, renewed) {
            (lease, *expires)
        } else {
            return Ok(());
        };
        match expires {
            Some(at) => self.expires.insert(lease, at),
            None => self.expires.remove(&lease),
        };
        Ok(())
    }

    fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
        let EventKind::LeaseEnded { lease, how } = event.kind else { return Ok(()) };
        let expires = self.expires.remove(&lease);
        let drain = self.draining.get(&lease.engine.pool).copied();
        let drained =
            matches!(self.step, Step::Timer) && drain.is_some_and(|(until, _)| until <= observed.now);
        let (holds, name) = match how {
            LeaseEnding::Completed => (false, "S26: a lease that completed was ended by its holder"),
            LeaseEnding::Cut => {
                (drained || self.may_cut(lease.engine.pool), "S26: no lease is cut before its time")
            }
            LeaseEnding::Expired => {
                let over = expires.is_none_or(|at| at <= observed.now);
                (over && matches!(self.step, Step::Timer), "S26: no lease expires before its time")
            }
            LeaseEnding::Lost => {
                let doomed = drained && drain.is_some_and(|(_, doomed)| doomed);
                (doomed || self.is_lost(lease, observed), "S26: no lease is lost but with its engine")
            }
        };
        hold(holds, name, || format!("lease {lease} ends {how:?} in {:?}, drain {drain:?}", self.step))
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        match pool.drain_deadline {
            Some(until) => self.draining.insert(pool.uid, (until, pool.doomed)),
            None => self.draining.remove(&pool.uid),
        };
        if pool.leases_active == 0 && !self.expires.is_empty() {
            self.expires.retain(|lease, _| lease.engine.pool != pool.uid);
        }
        Ok(())
    }
}

impl LeaseEnds {
    fn may_cut(&self, pool: PoolUid) -> bool {
        match self.step {
            Step::Stops(stopped) => stopped == pool,
            Step::ForcedDown => true,
            Step::Exited(_) | Step::Resumed | Step::Timer | Step::Other => false,
        }
    }

    /// The engine is gone, and this step is the news of it.
    fn is_lost(&self, lease: LeaseId, observed: Observed<'_>) -> bool {
        let is_over = observed.processes.of(lease.engine).is_none_or(|process| !process.is_alive());
        match self.step {
            Step::Exited(engine) => engine == lease.engine && is_over,
            Step::Resumed => is_over,
            Step::ForcedDown | Step::Stops(_) | Step::Timer | Step::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::forged::{Forged, POOL, lease};

    fn ends(how: LeaseEnding) -> EventKind {
        EventKind::LeaseEnded { lease: lease(1), how }
    }

    #[test]
    fn a_lease_that_is_cut_for_no_reason_or_too_early_is_found() {
        let forged = Forged::new();
        let mut oracle = LeaseEnds::default();
        assert!(oracle.event(&forged.event(ends(LeaseEnding::Cut)), forged.observed()).is_err());
        oracle.step = Step::Timer;
        oracle.draining.insert(POOL, (forged.now + Duration::from_secs(1), false));
        assert!(oracle.event(&forged.event(ends(LeaseEnding::Cut)), forged.observed()).is_err(), "too early");
        oracle.draining.insert(POOL, (forged.now, false));
        assert_eq!(oracle.event(&forged.event(ends(LeaseEnding::Cut)), forged.observed()), Ok(()));
        assert!(
            oracle.event(&forged.event(ends(LeaseEnding::Lost)), forged.observed()).is_err(),
            "not doomed"
        );
    }

    #[test]
    fn a_lease_that_expires_too_early_is_found() {
        let forged = Forged::new();
        let mut oracle = LeaseEnds { step: Step::Timer, ..LeaseEnds::default() };
        oracle.expires.insert(lease(1), forged.now + Duration::from_nanos(1));
        assert!(oracle.event(&forged.event(ends(LeaseEnding::Expired)), forged.observed()).is_err());
        assert_eq!(oracle.event(&forged.event(ends(LeaseEnding::Expired)), forged.observed()), Ok(()));
    }
}
