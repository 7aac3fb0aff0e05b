//! S29: a refused command changes nothing: the refusal is all that comes of it, and the pool is as it was.

use pool_manager_core::{
    Answer, CircuitView, CommandId, Due, Effect, Event, Input, OperationId, PhaseName, PoolUid, PoolView,
    SpecHash, Time, Wanted,
};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Refusals {
    asked: Option<CommandId>,
    /// The pool before a command on it. Lease asks are many; for them what comes out is proof enough.
    before: Option<(PoolUid, Known)>,
    refused: bool,
    /// What came out of the step.
    effects: u32,
    events: u32,
}

/// What a refused command might have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    phase: (PhaseName, Time),
    wanted: Wanted,
    specs: (SpecHash, Option<SpecHash>),
    operation: Option<OperationId>,
    drain_deadline: Option<Time>,
    leases: (u32, u32),
    counters: (u32, u32),
    circuits: [CircuitView; 2],
    restart_allowed: bool,
    next: Option<(Time, Due)>,
}

const NAME: &str = "S29: a refused command changes nothing";

impl Oracle for Refusals {
    fn input(&mut self, input: &Input, before: Observed<'_>) -> Result<(), Violation> {
        (self.asked, self.before, self.refused, self.effects, self.events) = (None, None, false, 0, 0);
        match input {
            Input::Command { command, pool, .. } => {
                self.asked = Some(*command);
                self.before = before.view.pool(*pool).map(|pool| (pool.uid, Known::of(&pool)));
            }
            Input::LeaseAsk { command, .. }
            | Input::LeaseEnd { command, .. }
            | Input::LeaseRenew { command, .. }
            | Input::Register { command, .. } => self.asked = Some(*command),
            Input::Completed { .. }
            | Input::Exited { .. }
            | Input::Gap { .. }
            | Input::GpuFault { .. }
            | Input::LeaseWithdraw { .. }
            | Input::LogLine { .. }
            | Input::Resume(_)
            | Input::Shutdown { .. }
            | Input::StageProgress { .. }
            | Input::Stalled
            | Input::Timer => {}
        }
        Ok(())
    }

    fn effect(&mut self, effect: &Effect, _observed: Observed<'_>) -> Result<(), Violation> {
        // A shutdown that waited for a spawn ends by the clock, whichever input brings the time.
        self.effects += u32::from(*effect != Effect::Exit);
        if let Effect::Reply { command, answer } = effect
            && self.asked == Some(*command)
        {
            self.refused = matches!(**answer, Answer::Refused(_));
        }
        Ok(())
    }

    fn event(&mut self, _event: &Event, _observed: Observed<'_>) -> Result<(), Violation> {
        self.events += 1;
        Ok(())
    }

    fn step(&mut self, observed: Observed<'_>) -> Result<(), Violation> {
        if !self.refused {
            return Ok(());
        }
        hold((self.effects, self.events) == (1, 0), NAME, || {
            format!("{} effects and {} events besides", self.effects - 1, self.events)
        })?;
        let Some((uid, before)) = self.before.take() else { return Ok(()) };
        let after = observed.view.pool(uid).map(|pool| Known::of(&pool));
        hold(after == Some(before), NAME, || format!("pool {uid}: {before:?} became {after:?}"))
    }
}

impl Known {
    fn of(pool: &PoolView<'_>) -> Self {
        Self {
            phase: (pool.phase, pool.since),
            wanted: pool.wanted,
            specs: (pool.spec.hash, pool.previous.map(|spec| spec.hash)),
            operation: pool.operation.map(|operation| operation.id),
            drain_deadline: pool.drain_deadline,
            leases: (pool.leases_active, pool.leases_queued),
            counters: (pool.failures, pool.restart_count),
            circuits: pool.circuits,
            restart_allowed: pool.restart_allowed,
            next: pool.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;
    use pool_manager_core::{EventKind, Verb};

    #[test]
    fn a_refusal_that_does_something_is_found() {
        let forged = Forged::new();
        let refused = |oracle: &mut Refusals| {
            oracle.input(&forged.command(1, Verb::Undrain), forged.observed()).expect("a command");
            oracle.effect(&forged.refusal(1), forged.observed()).expect("its reply");
        };
        let mut oracle = Refusals::default();
        refused(&mut oracle);
        assert_eq!(oracle.step(forged.observed()), Ok(()));
        refused(&mut oracle);
        oracle.event(&forged.event(EventKind::BreakerReset), forged.observed()).expect("an event");
        assert!(oracle.step(forged.observed()).is_err(), "an event besides");
        refused(&mut oracle);
        oracle.before = oracle.before.map(|(uid, known)| (uid, Known { wanted: Wanted::Up, ..known }));
        assert!(oracle.step(forged.observed()).is_err(), "the pool is not as it was");
    }
}
