//! Replay: State and the inputs after it make the host that was there, and every effect is compared by hash.
//!
//! The runtime replays at its start, the simulator at every restart of its supervisor, `poolctl replay` and
//! `poolsim replay` to look at an incident.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::error::{Fault, ReadError};
use super::hash::{EffectHash, HashCheck};
use super::read::{Entry, Reader, Record, Recorded};
use crate::effect::Effect;
use crate::event::Event;
use crate::host::Host;
use crate::input::{Completion, Input, Verb};
use crate::time::Time;

/// Which input, by its place in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputPlace {
    /// Counted from 1 after the State that replay began with.
    pub input: u64,
    /// The record it is in.
    pub record: u64,
    /// That record's first byte.
    pub offset: u64,
    /// When it was handled.
    pub at: Time,
    /// What it is.
    pub kind: &'static str,
}

impl fmt::Display for InputPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, record, offset, at, kind } = self;
        write!(f, "input {input} ({kind}, at {at}, journal record {record} at byte {offset})")
    }
}

/// The host did not do again what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The last input whose effects differ; `None`: the State does not fit what follows it.
    pub input: Option<InputPlace>,
    /// What was recorded.
    pub recorded: HashCheck,
    /// What replay came to.
    pub replayed: EffectHash,
    /// The effects are the same, but a later State in the segment is another one.
    pub is_state: bool,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_state {
            "another state than was recorded"
        } else {
            "other effects than were recorded"
        };
        write!(f, "replay diverges: ")?;
        match &self.input {
            Some(place) => write!(f, "{place} led to {what}")?,
            None => write!(f, "before the first input: {what}")?,
        }
        f.write_str("; do not rely on the state from here on, and please report this with the segment")
    }
}

/// What one replayed input led to.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which input.
    pub place: InputPlace,
    /// The input itself.
    pub input: Input,
    /// What the host asked of the world then; it is not to be done again.
    pub effects: Vec<Effect>,
    /// What observers heard.
    pub events: Vec<Event>,
    /// Found now, about an earlier input: hashes are recorded one input late.
    pub divergence: Option<Divergence>,
}

/// A replay that goes input by input.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    reader: Reader<'a>,
    host: Box<Host>,
    effects: EffectHash,
    inputs: u64,
    last: Option<InputPlace>,
    unfinished: bool,
    found: Option<Divergence>,
    /// The effects differ and the whole recorded hash is not known yet: nothing more can be compared.
    adrift: bool,
}

impl<'a> Replay<'a> {
    /// Reads up to the first State.
    ///
    /// # Errors
    /// [`ReadError`] when there is none that this version can use; the Facts may be read all the same.
    pub fn begin(segment: &'a [u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(segment)?;
        let (offset, record) = reader.place();
        if reader.header().leases_removed {
            return Err(ReadError { offset, record, fault: Fault::LeasesRemoved });
        }
        loop {
            let (offset, record) = reader.place();
            let no_state = || ReadError { offset, record, fault: Fault::NoState };
            match reader.next().ok_or_else(no_state)??.record {
                Record::State { host, effects } => {
                    return Ok(Self {
                        reader,
                        host,
                        effects,
                        inputs: 0,
                        last: None,
                        unfinished: false,
                        found: None,
                        adrift: false,
                    });
                }
                Record::Facts(_) | Record::FactsUpdate(_) => {}
                Record::Input(_) | Record::Mark { .. } => return Err(no_state()),
            }
        }
    }

    /// Handles the next input; `None`: that was the last one.
    ///
    /// # Errors
    /// [`ReadError`] when the next record cannot be used. [`Replay::host`] is as of the record before it.
    ///
    /// # Panics
    /// When the host does, on an input that broke an invariant of it. [`Replay::last`] then names that input.
    pub fn step(&mut self) -> Result<Option<Step>, ReadError> {
        while let Some(entry) = self.reader.next() {
            let Entry { number: record, offset, record: content } = entry?;
            match content {
                Record::Facts(_) | Record::FactsUpdate(_) => {}
                Record::Mark { effects } => {
                    self.compare(HashCheck::Full(effects));
                    self.unfinished = false;
                }
                Record::State { host, effects } => self.compare_state(host, effects),
                Record::Input(Recorded { at, before, input }) => {
                    if at < self.host.view().now() {
                        return Err(ReadError { offset, record, fault: Fault::TimeRunsBack });
                    }
                    self.compare(before);
                    let kind = input_name(&input);
                    let place = InputPlace { input: self.inputs + 1, record, offset, at, kind };
                    return Ok(Some(self.handle(place, input)));
                }
            }
        }
        Ok(None)
    }

    /// What was found since the last input: asked after the last [`Replay::step`], it is about the last one.
    pub const fn take_divergence(&mut self) -> Option<Divergence> {
        self.found.take()
    }

    /// The host as of the last input.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The input that was handled last, or is being handled.
    #[must_use]
    pub const fn last(&self) -> Option<InputPlace> {
        self.last
    }

    /// The end of it. See [`Replayed`].
    #[must_use]
    pub fn finish(self) -> Replayed {
        Replayed {
            host: *self.host,
            effects: self.effects,
            inputs: self.inputs,
            last: self.last,
            unfinished: self.unfinished,
            torn: self.reader.torn().cloned(),
        }
    }

    fn handle(&mut self, place: InputPlace, input: Input) -> Step {
        // Before the host is called: should it panic, this names the input.
        self.inputs = place.input;
        self.last = Some(place);
        self.unfinished = true;
        self.host.handle(place.at, input.clone());
        let effects: Vec<Effect> = core::iter::from_fn(|| self.host.poll_effect()).collect();
        let events = core::iter::from_fn(|| self.host.poll_event()).collect();
        self.effects = self.effects.after(&effects);
        Step { place, input, effects, events, divergence: self.found.take() }
    }

    /// After a divergence the comparison goes on from the next full hash, so that one cause is named once.
    fn compare(&mut self, recorded: HashCheck) {
        let differs = !recorded.fits(self.effects);
        if differs && !self.adrift {
            self.diverged(recorded, false);
            self.adrift = true;
        }
        if let HashCheck::Full(effects) = recorded {
            self.effects = effects;
            self.adrift = false;
        }
    }

    fn compare_state(&mut self, host: Box<Host>, effects: EffectHash) {
        self.compare(HashCheck::Full(effects));
        if host != self.host {
            self.diverged(HashCheck::Full(effects), true);
            self.host = host;
        }
    }

    fn diverged(&mut self, recorded: HashCheck, is_state: bool) {
        let found = Divergence { input: self.last, recorded, replayed: self.effects, is_state };
        self.found = self.found.or(Some(found));
    }
}

/// What a whole replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The host as it was.
    pub host: Host,
    /// The hash to go on with.
    pub effects: EffectHash,
    /// How many inputs were replayed.
    pub inputs: u64,
    /// The last of them.
    pub last: Option<InputPlace>,
    /// No mark follows the last input: its effects may not have been handed out.
    pub unfinished: bool,
    /// The end was cut short.
    pub torn: Option<ReadError>,
}

/// Replays a segment to its end.
///
/// # Errors
/// As [`Replay::begin`] and [`Replay::step`].
///
/// # Panics
/// As [`Replay::step`]; who must survive that steps through a [`Replay`].
pub fn replay(segment: &[u8], mut on_divergence: impl FnMut(&Divergence)) -> Result<Replayed, ReadError> {
    let mut replay = Replay::begin(segment)?;
    while let Some(step) = replay.step()? {
        step.divergence.iter().for_each(&mut on_divergence);
    }
    replay.take_divergence().iter().for_each(&mut on_divergence);
    Ok(replay.finish())
}

/// A short stable word for an input, as messages name it.
#[must_use]
pub const fn input_name(input: &Input) -> &'static str {
    match input {
        Input::Command { verb, .. } => verb_name(verb),
        Input::Completed { result, .. } => completion_name(result),
        Input::Exited { .. } => "exited",
        Input::GpuFault { .. } => "gpu_fault",
        Input::Gap { .. } => "gap",
        Input::LeaseAsk { .. } => "lease_ask",
        Input::LeaseEnd { .. } => "lease_end",
        Input::LeaseRenew { .. } => "lease_renew",
        Input::LeaseWithdraw { .. } => "lease_withdraw",
        Input::LogLine { .. } => "log_line",
        Input::Register { .. } => "register",
        Input::Resume(_) => "resume",
        Input::Shutdown { .. } => "shutdown",
        Input::StageProgress { .. } => "stage_progress",
        Input::Stalled => "stalled",
        Input::Timer => "timer",
    }
}

const fn verb_name(verb: &Verb) -> &'static str {
    match verb {
        Verb::AllowRestart => "allow_restart",
        Verb::Deregister => "deregister",
        Verb::Drain { .. } => "drain",
        Verb::Preload => "preload",
        Verb::Reload(_) => "reload",
        Verb::ResetBreaker => "reset_breaker",
        Verb::Restart => "restart",
        Verb::Stop => "stop",
        Verb::Undrain => "undrain",
    }
}

const fn completion_name(result: &Completion) -> &'static str {
    match result {
        Completion::Evidence(_) => "evidence",
        Completion::FileDone(_) => "file_done",
        Completion::Preflighted(_) => "preflighted",
        Completion::Probed(_) => "probed",
        Completion::Released(_) => "released",
        Completion::Spawned(_) => "spawned",
        Completion::Staged(_) => "staged",
    }
}
