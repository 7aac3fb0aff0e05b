//! Engines as they are found on GPU hosts: how long they load, which processes they make, how they answer, how they
//! end. A file each for those one installs; `mean` has those nobody wants.

mod llama_server;
mod mean;
mod sglang;
mod tgi;
mod triton;
mod vllm;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::EngineProfile;
use crate::random::Stream;

/// A kind of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One process, loads in seconds, ends at once on TERM.
    LlamaServer,
    /// Tensor-parallel ranks; loads for a minute or two; its ranks sometimes outlive it.
    Vllm,
    /// A scheduler and a detokenizer beside it; on TERM it ends its streams first.
    Sglang,
    /// A launcher with shards; one shard's end is the end of all.
    Tgi,
    /// Many models in one process; ends its requests in flight on TERM.
    Triton,
    /// Dies again and again, of anything.
    Flapper,
    /// Leaks host memory until the kernel kills it.
    Leaker,
    /// Answers nothing, from the moment it is loaded.
    Hanger,
    /// Loads as long as it may, and longer.
    SlowLoader,
    /// Ignores TERM; sometimes KILL takes a minute.
    TermIgnorer,
    /// Dies while it loads, or soon after.
    LoadCrasher,
}

impl Profile {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::LlamaServer,
        Self::Vllm,
        Self::Sglang,
        Self::Tgi,
        Self::Triton,
        Self::Flapper,
        Self::Leaker,
        Self::Hanger,
        Self::SlowLoader,
        Self::TermIgnorer,
        Self::LoadCrasher,
    ];

    /// How many of them one installs on purpose: the first ones.
    const GOOD: usize = 5;

    /// One of them; three times in four one that one installs on purpose.
    pub(crate) fn draw(stream: &mut Stream) -> Self {
        let (good, mean) = Self::ALL.split_at(Self::GOOD);
        let of = if stream.one_in(4) { mean } else { good };
        stream.pick(of).copied().unwrap_or(Self::LlamaServer)
    }

    /// As plans, presets and the command line call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Tgi => "tgi",
            Self::Triton => "triton",
            Self::Flapper => "flapper",
            Self::Leaker => "leaker",
            Self::Hanger => "hanger",
            Self::SlowLoader => "slow-loader",
            Self::TermIgnorer => "term-ignorer",
            Self::LoadCrasher => "load-crasher",
        }
    }

    /// What an engine of this name is like; an engine that nobody knows is like the simplest.
    #[must_use]
    pub fn of_engine(name: &str) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.name() == name).unwrap_or(Self::LlamaServer)
    }

    /// How such an engine behaves.
    #[must_use]
    pub fn engine(self) -> EngineProfile {
        match self {
            Self::LlamaServer => llama_server::engine(),
            Self::Vllm => vllm::engine(),
            Self::Sglang => sglang::engine(),
            Self::Tgi => tgi::engine(),
            Self::Triton => triton::engine(),
            Self::Flapper => mean::flapper(),
            Self::Leaker => mean::leaker(),
            Self::Hanger => mean::hanger(),
            Self::SlowLoader => mean::slow_loader(),
            Self::TermIgnorer => mean::term_ignorer(),
            Self::LoadCrasher => mean::load_crasher(),
        }
    }

    /// What somebody who knows the engine allows for its load, beyond what a quick one gets.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Self::Vllm | Self::Sglang | Self::Tgi => Duration::from_secs(100),
            Self::LlamaServer
            | Self::Triton
            | Self::Flapper
            | Self::Leaker
            | Self::Hanger
            | Self::SlowLoader
            | Self::TermIgnorer
            | Self::LoadCrasher => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Entity;

    #[test]
    fn a_kind_is_called_alike_by_plans_and_by_us_and_an_unknown_engine_is_the_simplest() {
        for kind in Profile::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.name().into()));
            assert_eq!(Profile::of_engine(kind.name()), *kind);
        }
        assert_eq!(Profile::of_engine("in-house"), Profile::LlamaServer);
    }

    #[test]
    fn every_kind_is_drawn_and_mostly_those_one_installs() {
        let mut stream = Stream::new(1, Entity::Setup);
        let drawn: Vec<Profile> = (0..1000).map(|_| Profile::draw(&mut stream)).collect();
        assert!(Profile::ALL.iter().all(|kind| drawn.contains(kind)));
        let good = drawn.iter().filter(|kind| Profile::ALL[..Profile::GOOD].contains(kind)).count();
        assert!((650..850).contains(&good), "{good} of 1000");
    }

    #[test]
    fn a_kind_is_called_the_same_in_plans_and_on_the_command_line() {
        for kind in Profile::ALL {
            assert_eq!(toml::Value::try_from(kind), Ok(toml::Value::String(kind.name().to_owned())));
        }
    }
}
