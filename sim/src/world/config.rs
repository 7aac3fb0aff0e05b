//! What a world is told at its start.

use pool_manager_core::{
    CatalogEntry, EngineSpec, HostConfig, PerformanceHints, Policy, PoolName, PoolSpec, SpecHash,
};
use serde::{Deserialize, Serialize};

use crate::random::Span;

/// A world from its first instant.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Decides everything that is drawn, and the core's jitter.
    pub seed: u64,
    /// What the core is told.
    pub host: HostConfig,
    /// How long executors take.
    pub latencies: Latencies,
    /// What comes first in one instant.
    pub order: TurnOrder,
}

/// What comes first among things that are simultaneous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnOrder {
    /// Anything: the seed decides. Every safety invariant holds all the same.
    Any,
    /// As the daemon's driver does: exits, completions, lease ends and renewals; then due timers; then
    /// commands and lease asks.
    Driver,
}

/// How long executors take to do what an effect asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// From a process's end to the news of it.
    pub exit_notice: Span,
    /// Writing or removing a file.
    pub file: Span,
    /// Staging.
    pub stage: Span,
    /// A release check.
    pub release: Span,
    /// Finding out about an end; the core's own limit cuts it short.
    pub evidence: Span,
    /// From a line in an engine's log to its being read.
    pub log: Span,
    /// A probe that is answered.
    pub probe: Span,
    /// What every answer takes on top, after all limits the executors keep: a host short of processor
    /// time.
    pub lag: Span,
}

impl Latencies {
    /// An executor that takes no time: what remains is the engines' own.
    pub const NONE: Self = Self {
        exit_notice: Span::NONE,
        file: Span::NONE,
        stage: Span::NONE,
        release: Span::NONE,
        evidence: Span::NONE,
        log: Span::NONE,
        probe: Span::NONE,
        lag: Span::NONE,
    };

    /// A busy host.
    #[must_use]
    pub const fn busy() -> Self {
        Self {
            exit_notice: Span::millis(0, 3),
            file: Span::millis(0, 20),
            stage: Span::millis(0, 400),
            release: Span::millis(0, 30),
            evidence: Span::millis(0, 250),
            log: Span::millis(0, 250),
            probe: Span::millis(0, 1500),
            lag: Span::NONE,
        }
    }

    /// No slower than these.
    #[must_use]
    pub fn at_most(self, most: Self) -> Self {
        let span = |span: Span, most: Span| Span { from: span.from.min(most.from), to: span.to.min(most.to) };
        Self {
            exit_notice: span(self.exit_notice, most.exit_notice),
            file: span(self.file, most.file),
            stage: span(self.stage, most.stage),
            release: span(self.release, most.release),
            evidence: span(self.evidence, most.evidence),
            log: span(self.log, most.log),
            probe: span(self.probe, most.probe),
            lag: span(self.lag, most.lag),
        }
    }

    /// A host so busy that answers come after the core has stopped waiting for them. Files stay within
    /// their limit: beyond it what is on disk is anybody's guess.
    #[must_use]
    pub const fn overloaded() -> Self {
        Self {
            exit_notice: Span::millis(0, 2000),
            file: Span::millis(0, 3000),
            stage: Span::millis(0, 3000),
            release: Span::millis(0, 40_000),
            evidence: Span::millis(0, 250),
            log: Span::millis(0, 3000),
            probe: Span::millis(0, 2500),
            lag: Span::millis(0, 1500),
        }
    }
}

/// A pool as an operator would register it for a test: registered down, everything at its default.
///
/// # Panics
/// When the name is none.
#[must_use]
pub fn test_pool(name: &str) -> PoolSpec {
    let Ok(pool_name) = PoolName::new(name) else { panic!("not a pool name: {name:?}") };
    // Any number does that differs between names; the core only compares it.
    let hash = name.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    PoolSpec {
        name: pool_name,
        engine: EngineSpec {
            hash: SpecHash(hash),
            catalog: CatalogEntry {
                id: None,
                engine: "stub-engine".to_owned(),
                engine_version: Some("1.0.0".to_owned()),
                model: "llama-7b-v1".to_owned(),
                digest: None,
            },
            device_mask: vec!["0".to_owned()],
            port: None,
            hints: PerformanceHints::default(),
        },
        policy: Policy::default(),
        autostart: false,
    }
}
