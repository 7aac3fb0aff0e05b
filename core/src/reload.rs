//! Reload: another spec in the place of the committed one, all or nothing. This is its own progress; the pool
//! drains, stops and starts for it.
//!
//! ```text
//! Preflight ─→ Fetching ─→ There ─→ Candidate ─→ (committed)
//!     │  └───→ Checking ─────↑          └─→ RollingBack ─→ (rolled back)
//!     └→ SameModel: it is a preload
//! ```
//! Nothing touches the engine that serves before the drain, and the drain waits for bytes that must be fetched:
//! they may take long.

use alloc::boxed::Box;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::input::{ModelStamp, Preflight};
use crate::phase::Wanted;
use crate::spec::{EngineSpec, OnDrainTimeout};
use crate::time::Time;
use crate::verdict::Verdict;

/// A reload that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloading {
    pub(crate) target: EngineSpec,
    pub(crate) patience: Duration,
    pub(crate) on_drain_timeout: OnDrainTimeout,
    pub(crate) force: bool,
    pub(crate) progress: Progress,
    /// When its model was asked for.
    pub(crate) stage_asked: Time,
    /// The old engine ended by itself meanwhile.
    pub(crate) engine_ended: Option<Box<Verdict>>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Progress {
    /// Finding out what it would need.
    Preflight,
    /// The model's bytes are fetched; the drain has not begun.
    Fetching,
    /// The model is only checked; the drain runs.
    Checking,
    /// The model is staged; the engine that serves is to go.
    There { stamp: ModelStamp },
    /// The new engine is tried.
    Candidate { stamp: ModelStamp, wanted_before: Wanted },
    /// The new engine failed; the old spec is started again.
    RollingBack { verdict: Box<Verdict> },
    /// The same model was asked for and does not serve: wait for Ready.
    SameModel,
}

impl Reloading {
    /// The preflight passed. `runs`: the committed spec and the bytes it was started with.
    pub(crate) fn preflighted(&mut self, preflight: Preflight, runs: (&EngineSpec, Option<ModelStamp>)) {
        let Preflight { stamp, fetch } = preflight;
        self.progress = match (self.is_same(runs, stamp), fetch) {
            (true, _) => Progress::SameModel,
            (false, true) => Progress::Fetching,
            (false, false) => Progress::Checking,
        };
    }

    /// Nothing is touched yet, or only the drain has begun: it can be given up without a trace.
    pub(crate) const fn is_preparing(&self) -> bool {
        match self.progress {
            Progress::Preflight | Progress::Fetching | Progress::Checking | Progress::There { .. } => true,
            Progress::Candidate { .. } | Progress::RollingBack { .. } | Progress::SameModel => false,
        }
    }

    /// Whether the engine that serves may be drained.
    pub(crate) const fn may_drain(&self) -> bool {
        matches!(self.progress, Progress::Checking | Progress::There { .. })
    }

    /// The staged model, while the old engine is to go.
    pub(crate) const fn staged(&self) -> Option<ModelStamp> {
        match self.progress {
            Progress::There { stamp } => Some(stamp),
            Progress::Preflight
            | Progress::Fetching
            | Progress::Checking
            | Progress::Candidate { .. }
            | Progress::RollingBack { .. }
            | Progress::SameModel => None,
        }
    }

    /// Equal spec and equal bytes, as far as these are known.
    fn is_same(
        &self,
        (committed, stamp): (&EngineSpec, Option<ModelStamp>),
        next: Option<ModelStamp>,
    ) -> bool {
        let same_spec = self.target.hash == committed.hash;
        let same_digest = self.target.catalog.digest == committed.catalog.digest;
        let other_bytes = matches!((stamp, next), (Some(ours), Some(theirs)) if ours != theirs);
        !self.force && same_spec && same_digest && !other_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{CatalogEntry, PerformanceHints, SpecHash};
    use crate::verdict::CrashClass;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn spec(hash: u64, digest: Option<&str>) -> EngineSpec {
        let catalog = CatalogEntry {
            id: None,
            engine: String::from("stub"),
            engine_version: None,
            model: String::from("m"),
            digest: digest.map(String::from),
        };
        let hints = PerformanceHints::default();
        EngineSpec { hash: SpecHash(hash), catalog, device_mask: Vec::new(), port: None, hints }
    }

    fn reloading(target: EngineSpec, force: bool) -> Reloading {
        Reloading {
            target,
            patience: Duration::ZERO,
            on_drain_timeout: OnDrainTimeout::Abort,
            force,
            progress: Progress::Preflight,
            stage_asked: Time::ZERO,
            engine_ended: None,
        }
    }

    fn progress_after(target: EngineSpec, force: bool, preflight: Preflight) -> Progress {
        let mut reloading = reloading(target, force);
        reloading.preflighted(preflight, (&spec(1, Some("d")), Some(ModelStamp(7))));
        reloading.progress
    }

    #[test]
    fn the_same_model_is_equal_spec_digest_and_bytes() {
        let found = |stamp: Option<u64>| Preflight { stamp: stamp.map(ModelStamp), fetch: false };
        let same = spec(1, Some("d"));
        assert_eq!(progress_after(same.clone(), false, found(Some(7))), Progress::SameModel);
        assert_eq!(progress_after(same.clone(), false, found(None)), Progress::SameModel);
        assert_eq!(progress_after(same.clone(), false, found(Some(8))), Progress::Checking, "new bytes");
        assert_eq!(progress_after(same, true, found(Some(7))), Progress::Checking, "forced");
        assert_eq!(progress_after(spec(2, Some("d")), false, found(Some(7))), Progress::Checking);
        assert_eq!(progress_after(spec(1, Some("e")), false, found(None)), Progress::Checking);
    }

    #[test]
    fn bytes_that_must_be_fetched_come_before_the_drain() {
        let fetch = Preflight { stamp: None, fetch: true };
        assert_eq!(progress_after(spec(2, None), false, fetch), Progress::Fetching);
    }

    #[test]
    fn it_can_be_given_up_without_a_trace_until_the_old_engine_is_gone() {
        let mut reloading = reloading(spec(2, None), false);
        let stamp = ModelStamp(7);
        let verdict = Box::new(Verdict { class: CrashClass::Unknown, evidence: Vec::new() });
        for (progress, prepares) in [
            (Progress::Preflight, true),
            (Progress::Fetching, true),
            (Progress::Checking, true),
            (Progress::There { stamp }, true),
            (Progress::Candidate { stamp, wanted_before: Wanted::Up }, false),
            (Progress::RollingBack { verdict }, false),
            (Progress::SameModel, false),
        ] {
            reloading.progress = progress;
            assert_eq!(reloading.is_preparing(), prepares, "{:?}", reloading.progress);
        }
    }
}
