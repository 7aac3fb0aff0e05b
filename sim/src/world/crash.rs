//! How the supervisor dies: between two inputs or in the middle of one, at the boundary between any two effects.
//! What is left of the effects is lost with their executors; whoever waited for them hears nothing.
//!
//! `drive` asks here at every boundary; `restart` is what comes after.

use std::time::Duration;

use pool_manager_core::{Effect, Event, EventKind, FileKind, Input};
use serde::{Deserialize, Serialize};

use super::restart::{InFlight, Start};
use super::{Occurrence, World};
use crate::marks::Moment;
use crate::plan::duration;

/// A crash of the supervisor, and its next start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// Where in its work it dies.
    pub point: CrashPoint,
    /// How long the service manager takes to start it again.
    #[serde(with = "duration")]
    pub down_for: Duration,
    /// What the start is like.
    #[serde(default)]
    pub next: Start,
    /// So many more crashes follow, each as soon as the start after the one before has got that far.
    #[serde(default)]
    pub again: u32,
}

/// Where in its work the supervisor dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrashPoint {
    /// Between two inputs: at once, or at the end of the step it is in.
    AtRest,
    /// While it writes the next input: so many thousandths of the record are in the journal, and nobody
    /// handled it.
    InputTorn(u32),
    /// The next input is in the journal, and nothing came of it.
    InputJournaled,
    /// So many more effects were carried out, and the next is lost.
    AfterEffects(u32),
    /// Before the next effect of this kind.
    Before(EffectKind),
    /// After the next effect of this kind, before anything is heard of it.
    After(EffectKind),
}

/// Effects, as a crash tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is named as its effect")]
pub enum EffectKind {
    CancelStage,
    CheckRelease,
    CollectEvidence,
    Exit,
    Preflight,
    Probe,
    RemoveHandoff,
    RemovePid,
    Reply,
    Signal,
    Spawn,
    Stage,
    WriteHandoff,
    WritePid,
}

impl EffectKind {
    /// Those that change the world.
    pub(crate) const ACTS: [Self; 10] = [
        Self::CancelStage,
        Self::Exit,
        Self::RemoveHandoff,
        Self::RemovePid,
        Self::Reply,
        Self::Signal,
        Self::Spawn,
        Self::Stage,
        Self::WriteHandoff,
        Self::WritePid,
    ];

    pub(super) const fn of(effect: &Effect) -> Self {
        match effect {
            Effect::CancelStage { .. } => Self::CancelStage,
            Effect::CheckRelease { .. } => Self::CheckRelease,
            Effect::CollectEvidence { .. } => Self::CollectEvidence,
            Effect::Exit => Self::Exit,
            Effect::Preflight { .. } => Self::Preflight,
            Effect::Probe { .. } => Self::Probe,
            Effect::RemoveFile { file: FileKind::Handoff, .. } => Self::RemoveHandoff,
            Effect::RemoveFile { file: FileKind::Pid, .. } => Self::RemovePid,
            Effect::Reply { .. } => Self::Reply,
            Effect::Signal { .. } => Self::Signal,
            Effect::Spawn { .. } => Self::Spawn,
            Effect::Stage { .. } => Self::Stage,
            Effect::WriteFile { file: FileKind::Handoff, .. } => Self::WriteHandoff,
            Effect::WriteFile { file: FileKind::Pid, .. } => Self::WritePid,
        }
    }
}

impl World {
    /// The supervisor dies there, and the service manager starts it again. Nothing happens where it is dead, or
    /// such a death waits for its moment already.
    pub fn crash_supervisor(&mut self, crash: Crash) {
        if self.is_down() || self.exited || self.armed.is_some() {
            return;
        }
        if crash.point == CrashPoint::AtRest { self.die(crash) } else { self.armed = Some(crash) }
    }

    /// SIGKILL to the supervisor, in this instant. It stays dead until somebody starts it.
    pub fn kill_supervisor(&mut self) {
        self.marks.moment(Moment::SupervisorKilled);
        self.stop_executors(InFlight::Lost);
    }

    /// Dies now, and files the next start.
    fn die(&mut self, crash: Crash) {
        self.marks.moment(Moment::SupervisorKilled);
        self.stop_executors(crash.next.in_flight);
        self.agenda.file(self.now + crash.down_for, Occurrence::SupervisorStarts(Box::new(crash)));
    }

    /// The supervisor is gone, and its executors with it.
    pub(super) fn stop_executors(&mut self, in_flight: InFlight) {
        self.down = true;
        self.armed = None;
        self.durable.clear();
        self.disk.forget_queues();
        for lost in self.agenda.take_all(|occurrence| !occurrence.outlives_supervisor()) {
            self.lose(lost, in_flight);
        }
        self.init_reaps();
    }

    /// What was under way, and will never be heard of.
    fn lose(&mut self, occurrence: Occurrence, in_flight: InFlight) {
        if in_flight == InFlight::Lost {
            return;
        }
        match occurrence {
            Occurrence::WriteLands { file, stored, .. } => self.disk.write(file, stored),
            Occurrence::RemovalLands { engine, file, .. } => self.disk.remove(engine.pool, file),
            Occurrence::StageLands { id } => drop(self.staging.end(id, self.now)),
            Occurrence::Late(late) => self.lose(*late, in_flight),
            Occurrence::Answers { .. }
            | Occurrence::Arrives(_)
            | Occurrence::ClientAsks(_)
            | Occurrence::ClientEnds(_)
            | Occurrence::ClientRenews(_)
            | Occurrence::Completes { .. }
            | Occurrence::EngineDies { .. }
            | Occurrence::EvidenceLands { .. }
            | Occurrence::ExitSeen { .. }
            | Occurrence::LineRead { .. }
            | Occurrence::Logs { .. }
            | Occurrence::OperatorActs
            | Occurrence::OperatorSends { .. }
            | Occurrence::PidIsFree { .. }
            | Occurrence::ProbeLands { .. }
            | Occurrence::ProcessEnds { .. }
            | Occurrence::ReleaseLands { .. }
            | Occurrence::SpawnLands { .. }
            | Occurrence::StageMoves { .. }
            | Occurrence::SupervisorStarts(_)
            | Occurrence::Thaws { .. }
            | Occurrence::WorkerEnds { .. }
            | Occurrence::WorkersBegin { .. } => {}
        }
    }

    /// An input is about to be written: whether the supervisor dies of it.
    pub(super) fn dies_writing(&mut self, input: &Input) -> bool {
        let Some(Crash { point: CrashPoint::InputTorn(thousandths), .. }) = self.armed else { return false };
        if let Some(journal) = &mut self.journal {
            journal.tear(self.now, input, thousandths);
        }
        self.die_armed();
        true
    }

    /// A boundary of a step: `done` was carried out, `next` would be. Whether the supervisor dies there.
    pub(super) fn dies_between(&mut self, done: Option<EffectKind>, next: Option<&Effect>) -> bool {
        if self.is_down() || self.exited {
            return false;
        }
        let Some(crash) = &mut self.armed else { return false };
        match &mut crash.point {
            CrashPoint::AtRest => next.is_none(),
            CrashPoint::InputTorn(_) => false,
            CrashPoint::InputJournaled => {
                if let Some(journal) = &mut self.journal {
                    journal.dies_before_facts();
                }
                true
            }
            CrashPoint::AfterEffects(left) => {
                *left = left.saturating_sub(u32::from(done.is_some()));
                *left == 0 && (done.is_some() || next.is_some())
            }
            CrashPoint::Before(kind) => next.is_some_and(|next| EffectKind::of(next) == *kind),
            CrashPoint::After(kind) => done == Some(*kind),
        }
    }

    /// Dies in the middle of a step.
    pub(super) fn die_in_step(&mut self, left: impl IntoIterator<Item = Effect>) {
        let events: Vec<Event> = std::iter::from_fn(|| self.host.poll_event()).collect();
        self.marks.moment(Moment::SupervisorKilledInStep);
        self.unheard(left, events);
        self.die_armed();
    }

    fn die_armed(&mut self) {
        let Some(crash) = self.armed.take() else { return };
        self.die(crash);
    }

    /// The supervisor knows what it decided, nobody else does: it is in the books all the same, and nobody works
    /// for it.
    fn unheard(&mut self, effects: impl IntoIterator<Item = Effect>, events: Vec<Event>) {
        for effect in effects {
            if let Effect::Reply { command, answer } = effect {
                self.clients.answered(command, &answer);
            }
        }
        for event in events {
            if let EventKind::LeaseEnded { lease, how } = event.kind {
                self.clients.told(lease, how);
            }
        }
    }
}
