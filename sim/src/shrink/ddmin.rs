//! Strikes that are not needed are taken out: halves, quarters, eighths, single ones (Zeller's ddmin).

use super::Search;
use crate::plan::{Failure, Plan};

impl<R: FnMut(&Plan) -> Option<Failure>> Search<R> {
    pub(super) fn drop_strikes(&mut self) {
        let mut parts = 1;
        while !self.best.strikes.is_empty() && !self.is_spent() {
            let total = self.best.strikes.len();
            let size = total.div_ceil(parts);
            let dropped = (0..parts).any(|part| {
                let (from, to) = (part * size, ((part + 1) * size).min(total));
                let mut plan = self.best.clone();
                if from < to {
                    plan.strikes.drain(from..to);
                }
                self.take(plan)
            });
            if dropped {
                // With fewer left, larger parts may go again.
                parts = (parts - 1).max(1);
            } else if size == 1 {
                return;
            } else {
                parts = (parts * 2).min(total);
            }
        }
    }
}
