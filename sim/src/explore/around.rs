//! The world around the host, as far as it matters: effects that are not answered yet, engines that live, and what
//! clients and the oracles of `always` remember.

use std::time::Duration;

use pool_manager_core::{
    CommandId, Effect, EffectId, EngineRef, FileKind, Fingerprint, LeaseId, PoolUid, ProbeKind, SpecHash,
    Time,
};
use serde::{Deserialize, Serialize};

use super::world::World;

/// Everything that is not the host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Around {
    /// By pool and kind, so that the order they were asked in does not tell states apart.
    pub(super) pending: Vec<Pending>,
    /// Engines whose process was made and whose end was not told, by pool and incarnation.
    pub(super) engines: Vec<Process>,
    /// The leases clients hold, by their own books.
    pub(super) held: Vec<LeaseId>,
    /// Lease asks without an answer.
    pub(super) asks: Vec<(CommandId, PoolUid)>,
    pub(super) pools: [Remembered; World::MOST_POOLS as usize],
    pub(super) commands: u64,
    pub(super) shutdowns: u8,
    pub(super) exited: bool,
}

/// An effect without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) id: EffectId,
    pub(super) asked: Asked,
    /// It may be answered later than anybody waits for it.
    pub(super) late: bool,
}

/// What an effect asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Asked {
    Evidence,
    Preflight(SpecHash),
    Probe(ProbeKind),
    Release,
    Remove(FileKind),
    Spawn(EngineRef, SpecHash),
    Stage(SpecHash),
    Write(FileKind),
}

/// An engine that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) engine: EngineRef,
    pub(super) spec: SpecHash,
    /// It answers no probe.
    pub(super) hangs: bool,
    /// KILL does not end it soon.
    pub(super) sticks: bool,
    pub(super) termed: Option<Time>,
    pub(super) killed: bool,
    /// A second request to end was killing it when the supervisor died: the KILL may not have been sent.
    pub(super) doomed: bool,
}

/// What is remembered of a pool for the oracles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) handoff: Handoff,
    /// An operator allowed a restart, which did not come yet.
    pub(super) allowed: bool,
    /// The reload that runs: what was committed when it began.
    pub(super) reloads_from: Option<SpecHash>,
}

/// The last that was done about a handoff file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Handoff {
    #[default]
    Removed,
    Writing,
    Written,
}

impl Around {
    /// Files an effect that will be answered; `false`: it is none.
    pub(super) fn ask(&mut self, effect: &Effect) -> bool {
        let (id, asked) = match effect {
            Effect::CheckRelease { id, .. } => (*id, Asked::Release),
            Effect::CollectEvidence { id, .. } => (*id, Asked::Evidence),
            Effect::Preflight { id, spec, .. } => (*id, Asked::Preflight(*spec)),
            Effect::Probe { id, kind, .. } => (*id, Asked::Probe(*kind)),
            Effect::RemoveFile { id, file, .. } => (*id, Asked::Remove(*file)),
            Effect::Spawn { id, engine, spec } => (*id, Asked::Spawn(*engine, *spec)),
            Effect::Stage { id, spec, .. } => (*id, Asked::Stage(*spec)),
            Effect::WriteFile { id, file, .. } => (*id, Asked::Write(*file)),
            Effect::CancelStage { .. } | Effect::Exit | Effect::Reply { .. } | Effect::Signal { .. } => {
                return false;
            }
        };
        let key = |pending: &Pending| (pending.id.pool, pending.asked.kind(), pending.id.sequence);
        let pending = Pending { id, asked, late: false };
        let place = self.pending.partition_point(|other| key(other) < key(&pending));
        self.pending.insert(place, pending);
        true
    }

    /// Takes out what waits for its answer under this id.
    pub(super) fn take(&mut self, id: EffectId) -> Option<Pending> {
        let place = self.pending.iter().position(|pending| pending.id == id)?;
        Some(self.pending.remove(place))
    }

    pub(super) fn process(&self, engine: EngineRef) -> Option<&Process> {
        self.engines.iter().find(|process| process.engine == engine)
    }

    /// What is remembered of a pool.
    pub(super) fn of(&mut self, pool: PoolUid) -> Option<&mut Remembered> {
        self.pools.get_mut((pool.0 as usize).checked_sub(1)?)
    }

    /// Whether the engine a probe is sent to answers.
    pub(super) fn hangs(&self, pool: PoolUid) -> bool {
        self.engines.iter().any(|process| process.engine.pool == pool && process.hangs)
    }

    /// Whether something happens before time moves on.
    pub(super) fn is_busy(&self) -> bool {
        let prompt = |pending: &Pending| {
            let takes_long = match pending.asked {
                Asked::Stage(_) => true,
                Asked::Probe(_) => self.hangs(pending.id.pool),
                Asked::Evidence
                | Asked::Preflight(_)
                | Asked::Release
                | Asked::Remove(_)
                | Asked::Spawn(..)
                | Asked::Write(_) => false,
            };
            !pending.late && !takes_long
        };
        self.pending.iter().any(prompt)
            || self.engines.iter().any(|process| process.killed && !process.sticks)
    }

    /// Goes on where the host's fingerprint ends. What clients hold is what the host says they do: that is an
    /// oracle, and so no part of it.
    pub(super) fn write_fingerprint(&self, to: &mut Fingerprint, grace: Duration) {
        let Self { pending, engines, held: _, asks: _, pools, commands: _, shutdowns, exited } = self;
        for Pending { id, asked, late } in pending {
            to.effect(*id);
            to.add(&asked.kind());
            match asked {
                Asked::Spawn(engine, spec) => {
                    to.engine(*engine);
                    to.add(spec);
                }
                Asked::Stage(spec) | Asked::Preflight(spec) => to.add(spec),
                Asked::Remove(file) | Asked::Write(file) => to.add(&(*file as u8)),
                Asked::Evidence | Asked::Probe(_) | Asked::Release => {}
            }
            to.add(late);
        }
        to.add(&engines.len());
        for Process { engine, spec, hangs, sticks, termed, killed, doomed } in engines {
            to.engine(*engine);
            to.add(&(spec, hangs, sticks, killed, doomed));
            to.optional_past(*termed, grace);
        }
        for Remembered { handoff, allowed, reloads_from } in pools {
            to.add(&(handoff, allowed, reloads_from));
        }
        to.add(&(shutdowns, exited));
    }
}

impl Asked {
    /// A number for the kind of effect.
    const fn kind(self) -> u8 {
        match self {
            Self::Evidence => 0,
            Self::Preflight(_) => 1,
            Self::Probe(_) => 2,
            Self::Release => 3,
            Self::Remove(_) => 4,
            Self::Spawn(..) => 5,
            Self::Stage(_) => 6,
            Self::Write(_) => 7,
        }
    }
}
