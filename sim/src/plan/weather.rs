//! The weather: what strikes, drawn while a run goes on, more often where it hurts most.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::Time;

use super::Options;
use crate::fault::{FAMILIES, Family, Fault, Scene};
use crate::random::{Entity, Span, Stream};
use crate::world::World;

/// What the command line may say about the weather.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swarm {
    /// Only these families; empty: whichever the seed draws.
    pub only: Vec<&'static str>,
    /// Never these.
    pub without: Vec<&'static str>,
    /// What of the host is not drawn.
    pub options: Options,
}

/// What strikes in one run.
#[derive(Debug)]
pub struct Weather {
    stream: Stream,
    /// The families that are switched on, and since when each has been quiet.
    families: Vec<(&'static Family, Option<Time>)>,
    /// Everything is so many times rarer.
    mildness: u32,
    next: Time,
    struck: BTreeMap<&'static str, u64>,
}

/// Between two looks at the sky.
const LOOKS: Span = Span::millis(0, 1000);
/// In an interesting window everything is so many times likelier: most bugs are there.
const WINDOW: u32 = 10;

impl Weather {
    /// The weather of a seed: some families are switched on, and all are as rare as it says.
    pub(super) fn draw(seed: u64, swarm: &Swarm) -> Self {
        let mut stream = Stream::new(seed, Entity::Weather);
        let one_in = 1 + stream.below(8);
        let mildness = 1 << stream.below(4);
        let families = FAMILIES
            .iter()
            .filter(|family| {
                // Drawn for every family, so that a switch on the command line moves nothing else.
                let drawn = stream.one_in(one_in);
                let wanted = if swarm.only.is_empty() { drawn } else { swarm.only.contains(&family.name) };
                wanted && !swarm.without.contains(&family.name)
            })
            .map(|family| (family, None))
            .collect();
        Self { stream, families, mildness, next: Time::ZERO, struck: BTreeMap::new() }
    }

    /// When the sky is looked at next.
    pub(super) const fn next(&self) -> Time {
        self.next
    }

    /// How often each family struck.
    #[must_use]
    pub const fn struck(&self) -> &BTreeMap<&'static str, u64> {
        &self.struck
    }

    /// A look at the sky: what strikes now.
    pub(super) fn look(&mut self, world: &World) -> Vec<Fault> {
        let (now, passed) = (self.next, self.stream.span(LOOKS));
        self.next = now + passed;
        let scene = Scene::new(world);
        let times = if scene.is_interesting() { WINDOW } else { 1 };
        let chances = millis(passed).saturating_mul(times);
        let mut strikes = Vec::new();
        for (family, quiet_since) in &mut self.families {
            let rare = millis(family.every).saturating_mul(self.mildness);
            let is_quiet = quiet_since.is_some_and(|since| now.since(since) < family.quiet);
            if self.stream.below(rare.max(1)) >= chances || is_quiet {
                continue;
            }
            if let Some(fault) = (family.draw)(&scene, &mut self.stream) {
                *quiet_since = Some(now);
                *self.struck.entry(family.name).or_default() += 1;
                strikes.push(fault);
            }
        }
        strikes
    }
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
