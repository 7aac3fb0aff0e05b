//! Faults: what may strike a simulated host. One family a file, in the room of what it strikes.
//!
//! A family says how rare it is and draws one strike from the present scene; the strike is a value that a
//! plan can hold, and does its work on the world when its time comes. A strike whose target is not there
//! (any more) does nothing: plans are shrunk by taking others out.

mod client;
mod clock;
mod disk;
mod engine;
mod gpu;
mod network;
mod operator;
mod process;
mod scene;
mod signal;
mod supervisor;

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
    // What clients do.
    "client-burst" => client::burst::ClientBurst,
    "client-echo" => client::echo::PromptEchoed,
    "client-ends" => client::ends::ClientEnds,
    "client-forgets" => client::forgetful::ClientForgets,
    "client-herd" => client::herd::ClientHerd,
    "client-renews" => client::renews::ClientRenews,
    "client-unknown" => client::unknown::ClientErrs,
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
    "answers-meet-drain" => supervisor::answers_meet_drain::AnswersMeetDrain,
    "power-loss" => supervisor::power_loss::PowerLoss,
    "supervisor-crash" => supervisor::crash::SupervisorCrash,
    "supervisor-crash-at" => supervisor::crash_at::SupervisorCrashAt,
    "supervisor-crash-loop" => supervisor::crash_loop::SupervisorCrashLoop,
    "supervisor-other-version" => supervisor::other_version::SupervisorOtherVersion,
    "unseen-end" => supervisor::unseen_end::UnseenEnd,
    // What happens to GPUs.
    "gpu-crowded" => gpu::crowded::MemoryTaken,
    "gpu-divided" => gpu::divided::LayoutChanged,
    "gpu-driver" => gpu::driver::DriverGone,
    "gpu-lingering" => gpu::lingering::SlowFree,
    "gpu-lost" => gpu::lost::GpuLost,
    "gpu-order" => gpu::order::OrderChanged,
    "gpu-silent" => gpu::silent::LookHangs,
    "gpu-stale" => gpu::stale::StaleReport,
    "gpu-throttled" => gpu::throttled::Throttled,
    "gpu-xid" => gpu::xid::GpuXid,
    // The way to engines, and their ports.
    "network-busy" => network::busy::SaysLoading,
    "network-half-open" => network::half_open::HalfOpen,
    "network-hang" => network::hang::ProbeHang,
    "network-late-news" => network::late_news::LateNews,
    "network-latency" => network::latency::LatencySpike,
    "network-loopback" => network::loopback::LoopbackDown,
    "network-loss" => network::loss::ProbeLoss,
    "network-port" => network::port_stranger::PortStranger,
    "network-refused" => network::refused::ProbeRefused,
    "network-status" => network::status::ErrorStatus,
    "network-stranger" => network::stranger::ForeignAnswer,
    "network-torn" => network::torn::AnswerTorn,
    // What operators do.
    "operator-allow-restart" => operator::allow_restart::OperatorAllow,
    "operator-contradict" => operator::contradict::OperatorsContradict,
    "operator-deregister" => operator::deregister::OperatorDeregister,
    "operator-drain" => operator::drain::OperatorDrain,
    "operator-everywhere" => operator::everywhere::OperatorEverywhere,
    "operator-impostor" => operator::impostor::OperatorImpostor,
    "operator-preload" => operator::preload::OperatorPreload,
    "operator-register" => operator::register::OperatorRegister,
    "operator-reload" => operator::reload::OperatorReload,
    "operator-reset-breaker" => operator::reset_breaker::OperatorReset,
    "operator-restart" => operator::restart::OperatorRestart,
    "operator-series" => operator::series::OperatorSeries,
    "operator-stop" => operator::stop::OperatorStop,
    "operator-undrain" => operator::undrain::OperatorUndrain,
}
