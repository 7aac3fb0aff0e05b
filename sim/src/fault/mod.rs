//! Faults: what may strike a simulated host. One family a file, in the room of what it strikes.
//!
//! A family says how rare it is and draws one strike from the present scene; the strike is a value that a
//! plan can hold, and does its work on the world when its time comes. A strike whose target is not there
//! (any more) does nothing: plans are shrunk by taking others out.

mod engine;
mod operator;
mod process;
mod scene;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use scene::times;
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
    "engine-slow-load" => engine::slow_load::SlowLoad,
    "engine-endless-load" => engine::endless_load::EndlessLoad,
    "engine-exit-at-load" => engine::exit_at_load::ExitAtLoad,
    "engine-oom-at-load" => engine::oom_at_load::OomAtLoad,
    "engine-oom-under-traffic" => engine::oom_under_traffic::OomUnderTraffic,
    "engine-cuda-error" => engine::cuda_error::CudaError,
    "engine-flap" => engine::flap::Flap,
    "engine-generation-hangs" => engine::generation_hangs::GenerationHangs,
    "engine-busy-unhealthy" => engine::busy_unhealthy::BusyUnhealthy,
    "engine-bad-health" => engine::bad_health::BadHealth,
    "engine-slow-health" => engine::slow_health::SlowHealth,
    "engine-ignores-term" => engine::ignores_term::IgnoresTerm,
    "engine-late-exit" => engine::late_exit::LateExit,
    "engine-workers-survive" => engine::workers_survive::WorkersSurvive,
    "engine-rank-dies" => engine::rank_dies::RankDies,
    "engine-log-flood" => engine::log_flood::LogFlood,
    "engine-leak" => engine::leak::Leak,
    "engine-slower-restarts" => engine::slower_restarts::SlowerRestarts,
    // What the operating system does to processes.
    "process-program-missing" => process::program_missing::ProgramMissing,
    "process-pid-limit" => process::pid_limit::PidLimit,
    "process-no-memory" => process::no_memory::NoMemory,
    "process-exec-error" => process::exec_error::ExecError,
    "process-loader-dies" => process::loader_dies::LoaderDies,
    "process-slow-spawn" => process::slow_spawn::SlowSpawn,
    "process-exit-before-ack" => process::exit_before_ack::ExitBeforeAck,
    "process-exit-twice" => process::exit_twice::ExitTwice,
    "process-exit-lost" => process::exit_lost::ExitLost,
    "process-pid-reuse" => process::pid_reuse::PidReuse,
    "process-stopped" => process::stopped::Stopped,
    "process-uninterruptible" => process::uninterruptible::Uninterruptible,
    "process-oom-kill" => process::oom_kill::OomKill,
    "process-descriptors" => process::descriptors::Descriptors,
    "process-zombie" => process::zombie::Zombie,
    // What operators do.
    "operator-drain" => operator::drain::OperatorDrain,
}
