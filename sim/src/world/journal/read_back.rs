//! What a start of the supervisor finds in its journal: the state that was lost, or an older one, and why.

use pool_manager_core::journal::{Folded, ReadError, fold, replay};
use pool_manager_core::{Host, HostConfig, Time};

use super::Journal;
use super::segment::{Hurt, Segment};

/// What a start begins with.
#[derive(Debug)]
pub(in crate::world) struct Found {
    /// The host.
    pub(in crate::world) host: Host,
    /// What it knows of what was.
    pub(in crate::world) history: History,
    /// What a person is told about the journal, if anything.
    pub(in crate::world) said: Option<ReadError>,
}

/// How much of what was a start knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world) enum History {
    /// Everything, to the last input.
    Whole,
    /// What the Facts say, as of the last input.
    Facts,
    /// Only what was earlier.
    Older,
}

/// Facts that were cut short may have missed asks: so many lease numbers are skipped.
const SKIPPED_ASKS: u64 = 1_000_000;

impl Journal {
    /// The host as the journal tells it: State and every input since, replayed; the Facts where that cannot
    /// be done.
    ///
    /// # Errors
    /// What is wrong with the journal although nothing befell it, or with the replay.
    pub(in crate::world) fn read_back(&mut self, config: HostConfig, now: Time) -> Result<Found, String> {
        self.current.flush();
        let said = match replay_all(&self.current)? {
            Ok(found) => return Ok(found),
            Err(said) => said,
        };
        if self.current.hurt().is_none() {
            return Err(format!("J04: the journal cannot be read: {said}"));
        }
        let found = match recalled(&mut self.current, config.clone(), now) {
            Ok((host, _)) => Ok(host),
            Err(_) => self.before_it(config, now),
        };
        found.map(|host| Found { host, history: History::Older, said: Some(said) })
    }

    /// The host as another version of the supervisor would know it: from Facts alone.
    ///
    /// # Errors
    /// What is wrong with the journal although nothing befell it.
    pub(in crate::world) fn read_facts(&mut self, config: HostConfig, now: Time) -> Result<Found, String> {
        match recalled(&mut self.current, config.clone(), now) {
            Ok((host, said)) => {
                let whole = said.is_none()
                    && self.current.hurt().is_none()
                    && !self.current.has_gap()
                    && !self.current.facts_lag();
                let history = if whole { History::Facts } else { History::Older };
                Ok(Found { host, history, said })
            }
            Err(said) if self.current.hurt().is_some() => {
                let host = self.before_it(config, now)?;
                Ok(Found { host, history: History::Older, said: Some(said) })
            }
            Err(said) => Err(format!("J04: the Facts cannot be read: {said}")),
        }
    }

    /// What the segment before tells, all of it.
    fn before_it(&mut self, config: HostConfig, now: Time) -> Result<Host, String> {
        let Some(before) = &mut self.before else {
            return Err("J05: there is no segment before the one that is damaged".to_owned());
        };
        before.flush();
        if let Ok(found) = replay_all(before)? {
            return Ok(found.host);
        }
        let recalled = recalled(before, config, now);
        recalled.map(|(host, _)| host).map_err(|error| format!("J04: no segment can be read: {error}"))
    }
}

/// Replays a segment to the end of what is left of it.
///
/// # Errors
/// What no damage explains. Damage that keeps it from being replayed is the inner error.
fn replay_all(segment: &Segment) -> Result<Result<Found, ReadError>, String> {
    let mut diverged = None;
    let replayed = match replay(segment.bytes(), |divergence| {
        diverged.get_or_insert_with(|| format!("J03: a replay does otherwise: {divergence}"));
    }) {
        Ok(replayed) => replayed,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(diverged) = diverged {
        return Err(diverged);
    }
    let complete = replayed.inputs == segment.inputs();
    let explained = match segment.hurt() {
        None => complete,
        Some(Hurt::Cut) => replayed.inputs >= segment.synced_inputs(),
        // What was damaged may have been cut off since.
        Some(Hurt::Corrupt) => replayed.torn.is_some() || segment.is_cut(),
    };
    if !explained {
        let (found, written, synced) = (replayed.inputs, segment.inputs(), segment.synced_inputs());
        return Err(format!(
            "J07: what was written is read back ({found} inputs of {written}, {synced} were synced)"
        ));
    }
    if complete && !segment.has_gap() && !segment.ends_with(replayed.effects) {
        return Err("J03: a replay does otherwise after the last input".to_owned());
    }
    let history = if complete && !segment.has_gap() { History::Whole } else { History::Older };
    Ok(Ok(Found { host: replayed.host, history, said: replayed.torn }))
}

/// A host made of the Facts of a segment, and what ended the reading of them early.
fn recalled(
    segment: &mut Segment,
    config: HostConfig,
    now: Time,
) -> Result<(Host, Option<ReadError>), ReadError> {
    let Folded { mut facts, cut_short, .. } = fold(&segment.with_facts())?;
    if cut_short.is_some() || segment.hurt().is_some() || segment.has_gap() {
        for pool in &mut facts.pools {
            pool.leases.asked_since = pool.leases.asked_since.saturating_add(SKIPPED_ASKS);
        }
    }
    Ok((Host::from_facts(config, &facts, now), cut_short))
}
