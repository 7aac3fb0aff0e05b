//! Faults: what may strike a simulated host. One family a file, in the room of what it strikes.
//!
//! A family says how rare it is and draws one strike from the present scene; the strike is a value that a
//! plan can hold, and does its work on the world when its time comes. A strike whose target is not there
//! (any more) does nothing: plans are shrunk by taking others out.

mod clock;
mod disk;
mod engine;
mod operator;
mod scene;
mod signal;
mod supervisor;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use scene::{Place, Scene};

use crate::random::Stream;
use crate::world::World;

/// What a family of faults is to the weather and to a reader.
#[derive(Debug)]
pub struct Family {
    /// As plans and the command line call it.
    pub name: &'static str,
    /// What happens, in a few words.
    pub means: &'static str,
    /// How often it strikes on average where it is switched on and no window is interesting.
    pub every: Duration,
    /// At least so long between two strikes.
    pub quiet: Duration,
    /// One strike on the present scene; `None`: there is nothing to strike.
    pub draw: fn(&Scene<'_>, &mut Stream) -> Option<Fault>,
}

/// One family: a type whose values are its strikes.
pub(crate) trait Strikes: Sized {
    /// What happens, in a few words.
    const MEANS: &'static str;
    /// How often on average, where it is switched on and no window is interesting.
    const EVERY: Duration;
    /// At least so long between two strikes.
    const QUIET: Duration;

    /// One strike on the present scene; `None`: there is nothing to strike.
    fn draw(scene: &Scene<'_>, stream: &mut Stream) -> Option<Self>;

    /// Strikes.
    fn strike(&self, world: &mut World);
}

macro_rules! families {
    ($($name:literal => $room:ident::$file:ident::$Family:ident,)*) => {
        /// One strike.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "fault")]
        pub enum Fault {
            $(
                #[doc = concat!("See `fault/", stringify!($room), "/", stringify!($file), ".rs`.")]
                #[serde(rename = $name)]
                $Family($room::$file::$Family),
            )*
        }

        /// Every family, in the order of the catalogue.
        pub static FAMILIES: &[Family] = &[$(
            Family {
                name: $name,
                means: <$room::$file::$Family as Strikes>::MEANS,
                every: <$room::$file::$Family as Strikes>::EVERY,
                quiet: <$room::$file::$Family as Strikes>::QUIET,
                draw: |scene, stream| $room::$file::$Family::draw(scene, stream).map(Fault::$Family),
            },
        )*];

        impl Fault {
            /// The family's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$Family(_) => $name,)*
                }
            }

            /// Strikes.
            pub fn strike(&self, world: &mut World) {
                match self {
                    $(Self::$Family(strike) => strike.strike(world),)*
                }
            }
        }
    };
}

families! {
    // What engines do by themselves.
    "engine-crash" => engine::crash::EngineCrash,
    // What clocks do.
    "driver-stall" => clock::stall::DriverStall,
    "host-suspend" => clock::suspend::HostSuspend,
    "timers-late" => clock::timers::TimersLate,
    // Signals to the supervisor.
    "exits-coalesced" => signal::exits_coalesced::ExitsCoalesced,
    "term" => signal::term::Term,
    "term-mid-reload" => signal::term_mid_reload::TermMidReload,
    "term-then-kill" => signal::term_then_kill::TermThenKill,
    "term-twice" => signal::term_twice::TermTwice,
    // What the disk does.
    "file-trouble" => disk::file_trouble::FileSick,
    "journal-corrupt" => disk::journal_corrupt::JournalCorrupt,
    "journal-fails" => disk::journal_fails::JournalFails,
    "journal-sync" => disk::journal_sync::JournalSync,
    "model-changes" => disk::model_changes::ModelChanges,
    "model-missing" => disk::model_missing::ModelMissing,
    "stage-trouble" => disk::stage_trouble::StageSick,
    // What befalls the supervisor itself.
    "answers-late" => supervisor::answers_late::AnswersLate,
    "answers-lost" => supervisor::answers_lost::AnswersLost,
    "power-loss" => supervisor::power_loss::PowerLoss,
    "supervisor-crash" => supervisor::crash::SupervisorCrash,
    "supervisor-crash-at" => supervisor::crash_at::SupervisorCrashAt,
    "supervisor-crash-loop" => supervisor::crash_loop::SupervisorCrashLoop,
    "supervisor-other-version" => supervisor::other_version::SupervisorOtherVersion,
    "unseen-end" => supervisor::unseen_end::UnseenEnd,
    // What operators do.
    "operator-drain" => operator::drain::OperatorDrain,
}
