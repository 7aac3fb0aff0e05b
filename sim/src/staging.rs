//! Staging in the simulated host: what each model needs before it can be run, how far it has come, and what
//! the provisioner was asked for.
//!
//! The profile is the recipe, by spec; `world` turns it into completions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pool_manager_core::{EffectId, ModelStamp, PoolUid, SpecHash, StageError, Time};

use crate::random::Span;

/// What staging a model takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StagingProfile {
    /// Whether its bytes must be fetched, as long as they never were.
    pub fetch: bool,
    /// From the request to the end; `None`: what the host's executors take for anything.
    pub takes: Option<Span>,
    /// Time between two news of progress; zero: there are none.
    pub progress_every: Duration,
    /// After this long nothing moves any more, and no end comes.
    pub stalls_after: Option<Duration>,
    /// What goes wrong at the end.
    pub fails: Option<StageError>,
    /// What a look at it beforehand finds wrong.
    pub preflight_fails: Option<StageError>,
    /// Which bytes it is; `None`: a number of its own for every spec.
    pub stamp: Option<ModelStamp>,
}

/// One request of the provisioner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagingAsked {
    /// The effect.
    pub id: EffectId,
    /// The pool it was for.
    pub pool: PoolUid,
    /// Whose model.
    pub spec: SpecHash,
    /// When it was asked.
    pub at: Time,
    /// When it ended, and how; `None` while it runs, and for ever when it was cancelled or lost.
    pub ended: Option<(Time, Result<ModelStamp, StageError>)>,
}

/// The models of a host.
#[derive(Clone, Debug, Default)]
pub struct Staging {
    profiles: BTreeMap<SpecHash, StagingProfile>,
    asked: Vec<StagingAsked>,
    /// How much of a model's staging is done, where it was interrupted.
    done: BTreeMap<SpecHash, Duration>,
    staged: BTreeSet<SpecHash>,
}

impl Staging {
    /// Every request so far, oldest first.
    #[must_use]
    pub fn asked(&self) -> &[StagingAsked] {
        &self.asked
    }

    /// Whether a model is present and verified.
    #[must_use]
    pub fn is_staged(&self, spec: SpecHash) -> bool {
        self.staged.contains(&spec)
    }

    pub(crate) fn set_profile(&mut self, spec: SpecHash, profile: StagingProfile) {
        self.profiles.insert(spec, profile);
    }

    pub(crate) fn profile(&self, spec: SpecHash) -> StagingProfile {
        self.profiles.get(&spec).cloned().unwrap_or_default()
    }

    /// Which bytes a model is.
    pub(crate) fn stamp(&self, spec: SpecHash) -> ModelStamp {
        self.profiles.get(&spec).and_then(|profile| profile.stamp).unwrap_or(ModelStamp(spec.0))
    }

    /// Whether bytes must still be fetched.
    pub(crate) fn must_fetch(&self, spec: SpecHash) -> bool {
        self.profiles.get(&spec).is_some_and(|profile| profile.fetch) && !self.is_staged(spec)
    }

    pub(crate) fn begin(&mut self, id: EffectId, pool: PoolUid, spec: SpecHash, at: Time) {
        self.asked.push(StagingAsked { id, pool, spec, at, ended: None });
    }

    /// What an earlier staging of the same model left to go on with.
    pub(crate) fn done_before(&self, spec: SpecHash) -> Duration {
        self.done.get(&spec).copied().unwrap_or_default()
    }

    /// A staging is given up: what it fetched stays.
    pub(crate) fn interrupt(&mut self, id: EffectId, now: Time) {
        let Some(asked) = self.asked.iter().rfind(|asked| asked.id == id && asked.ended.is_none()) else {
            return;
        };
        let (spec, ran) = (asked.spec, now.since(asked.at));
        let moved = self.profile(spec).stalls_after.map_or(ran, |stalls| ran.min(stalls));
        *self.done.entry(spec).or_default() += moved;
    }

    /// A staging comes to its end; answers how.
    pub(crate) fn end(&mut self, id: EffectId, now: Time) -> Option<Result<ModelStamp, StageError>> {
        let place = self.asked.iter().rposition(|asked| asked.id == id && asked.ended.is_none())?;
        let spec = self.asked[place].spec;
        let result = match self.profile(spec).fails {
            Some(error) => Err(error),
            None => Ok(self.stamp(spec)),
        };
        self.done.remove(&spec);
        if result.is_ok() {
            self.staged.insert(spec);
        }
        self.asked[place].ended = Some((now, result));
        Some(result)
    }
}
