//! S18: what happens to one pool changes the phase of no other, but for those that share the host's books: a start
//! that waits goes on when a load ended, a hold for a GPU is lifted when the GPU is free again.

use std::collections::BTreeMap;

use pool_manager_core::{Effect, Event, EventKind, HoldReason, PhaseName, PoolUid, PoolView};

use super::{Observed, Oracle, Violation, hold};

#[derive(Debug, Default)]
pub(super) struct Isolation {
    held: BTreeMap<PoolUid, HoldReason>,
}

const NAME: &str = "S18: pools share the limiter and the GPUs, and nothing else";

impl Oracle for Isolation {
    fn effect(&mut self, effect: &Effect, observed: Observed<'_>) -> Result<(), Violation> {
        let others = is_another(effect.pool(), observed);
        let may = matches!(effect, Effect::CheckRelease { .. } | Effect::CancelStage { .. });
        hold(!others || may, NAME, || format!("an input about pool {:?} leads to {effect:?}", observed.about))
    }

    fn event(&mut self, event: &Event, observed: Observed<'_>) -> Result<(), Violation> {
        let EventKind::PhaseChanged { from, to } = event.kind else { return Ok(()) };
        if !is_another(event.pool, observed) {
            return Ok(());
        }
        let held = event.pool.and_then(|pool| self.held.get(&pool).copied());
        let waits =
            from == PhaseName::Waiting || (from == PhaseName::Held && held == Some(HoldReason::Quarantine));
        hold(waits, NAME, || {
            format!("an input about pool {:?} moves {:?} from {from:?} to {to:?}", observed.about, event.pool)
        })
    }

    fn pool(&mut self, pool: &PoolView<'_>, _observed: Observed<'_>) -> Result<(), Violation> {
        match pool.held {
            Some(reason) => self.held.insert(pool.uid, reason),
            None => self.held.remove(&pool.uid),
        };
        Ok(())
    }
}

fn is_another(pool: Option<PoolUid>, observed: Observed<'_>) -> bool {
    matches!((pool, observed.about), (Some(pool), Some(about)) if pool != about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::forged::Forged;

    #[test]
    fn what_moves_a_pool_nobody_spoke_of_is_found() {
        let mut forged = Forged::new();
        let mut oracle = Isolation::default();
        let stops = forged.event(EventKind::PhaseChanged { from: PhaseName::Ready, to: PhaseName::Stopping });
        assert_eq!(oracle.event(&stops, forged.observed()), Ok(()), "its own");
        forged.about = Some(PoolUid(2));
        assert!(oracle.event(&stops, forged.observed()).is_err());
        assert!(oracle.effect(&forged.spawn(1), forged.observed()).is_err());
    }
}
