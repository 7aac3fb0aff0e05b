//! Staging in the simulated host: what each model needs before it can be run, how far it has come, and what
//! the provisioner was asked for.
//!
//! The profile is the recipe, by spec; `world` turns it into completions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pool_manager_core::{EffectId, ModelStamp, PoolUid, SpecHash, StageError, Time};
use serde::{Deserialize, Serialize};

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

/// What is wrong with staging for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageTrouble {
    /// It fails at its end.
    Fails(StageError),
    /// A look at it beforehand fails already.
    PreflightFails(StageError),
    /// It takes so many times as long.
    Slow(u32),
    /// After so many seconds nothing moves any more.
    Stalls(u32),
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
    troubles: BTreeMap<PoolUid, (StageTrouble, Time)>,
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

    /// The bytes of a model are others from now on.
    pub(crate) fn change(&mut self, spec: SpecHash, stamp: ModelStamp) {
        self.profiles.entry(spec).or_default().stamp = Some(stamp);
        self.staged.remove(&spec);
    }

    /// Until then something is wrong with whatever a pool stages.
    pub(crate) fn set_trouble(&mut self, pool: PoolUid, trouble: StageTrouble, until: Time) {
        self.troubles.insert(pool, (trouble, until));
    }

    /// Nothing is wrong any more.
    pub(crate) fn heal(&mut self) {
        self.troubles.clear();
    }

    /// What staging a model takes a pool now.
    pub(crate) fn profile(&self, pool: PoolUid, spec: SpecHash, now: Time) -> StagingProfile {
        let profile = self.profiles.get(&spec).cloned().unwrap_or_default();
        match self.troubles.get(&pool).filter(|(_, until)| *until > now).map(|(trouble, _)| *trouble) {
            None => profile,
            Some(StageTrouble::Fails(error)) => StagingProfile { fails: Some(error), ..profile },
            Some(StageTrouble::PreflightFails(error)) => {
                StagingProfile { preflight_fails: Some(error), fails: Some(error), ..profile }
            }
            Some(StageTrouble::Slow(times)) => {
                let Span { from, to } = profile.takes.unwrap_or(Span::millis(100, 1000));
                let takes = Some(Span { from: from * times, to: to * times });
                StagingProfile { takes, progress_every: Duration::from_secs(5), ..profile }
            }
            Some(StageTrouble::Stalls(after)) => {
                let stalls_after = Some(Duration::from_secs(after.into()));
                StagingProfile { stalls_after, ..profile }
            }
        }
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
        let moved = self.profile(asked.pool, spec, now).stalls_after.map_or(ran, |stalls| ran.min(stalls));
        *self.done.entry(spec).or_default() += moved;
    }

    /// A staging comes to its end; answers how.
    pub(crate) fn end(&mut self, id: EffectId, now: Time) -> Option<Result<ModelStamp, StageError>> {
        let place = self.asked.iter().rposition(|asked| asked.id == id && asked.ended.is_none())?;
        let (pool, spec) = (self.asked[place].pool, self.asked[place].spec);
        let result = match self.profile(pool, spec, now).fails {
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
