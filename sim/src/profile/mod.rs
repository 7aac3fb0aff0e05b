//! Engines as they are found on GPU hosts: how long they load, how they answer, how they end.

use serde::{Deserialize, Serialize};

use crate::engine::{EngineProfile, TermBehaviour};
use crate::random::Span;

/// A kind of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One process, loads in seconds, ends at once on TERM.
    LlamaServer,
}

impl Profile {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::LlamaServer];

    /// What an engine of this name is like; an engine that nobody knows is like the simplest.
    #[must_use]
    pub fn of_engine(_name: &str) -> Self {
        Self::LlamaServer
    }

    /// How such an engine behaves.
    #[must_use]
    pub fn engine(self) -> EngineProfile {
        match self {
            Self::LlamaServer => EngineProfile {
                spawn_ack: Span::millis(0, 40),
                load: Span::millis(500, 9000),
                term: TermBehaviour::Exits(Span::millis(5, 300)),
                ..EngineProfile::default()
            },
        }
    }
}
