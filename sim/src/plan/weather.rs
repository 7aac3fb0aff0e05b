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
    /// The families that are switched on.
    families: Vec<Forecast>,
    next: Time,
    struck: BTreeMap<&'static str, u64>,
}

/// One family that is switched on.
#[derive(Debug)]
struct Forecast {
    family: &'static Family,
    /// How often it strikes on average, outside interesting windows.
    every: Duration,
    /// When it last did.
    struck: Option<Time>,
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
            .map(|family| Forecast { family, every: family.every * mildness, struck: None })
            .collect();
        Self { stream, families, next: Time::ZERO, struck: BTreeMap::new() }
    }

    /// These families, each as often as it says, on average.
    #[must_use]
    pub fn of(seed: u64, faults: &[(&'static str, Duration)]) -> Self {
        let every =
            |family: &Family| faults.iter().find(|(name, _)| *name == family.name).map(|(_, every)| *every);
        let families = FAMILIES
            .iter()
            .filter_map(|family| Some(Forecast { family, every: every(family)?, struck: None }))
            .collect();
        let stream = Stream::new(seed, Entity::Weather);
        Self { stream, families, next: Time::ZERO, struck: BTreeMap::new() }
    }

    /// The world goes on to a moment in this weather; whoever writes it down is told of a strike before it
    /// strikes.
    pub fn pass(&mut self, world: &mut World, until: Time, mut written: impl FnMut(Duration, &Fault)) {
        while self.next.max(world.now()) < until && !world.has_exited() {
            world.run_for(self.next.since(world.now()));
            for fault in self.look(world) {
                // What one before it left due in this instant comes first, as when the plan is followed.
                world.run_for(Duration::ZERO);
                // One before it may have moved the clock beyond the end.
                if world.now() >= until {
                    break;
                }
                written(world.now().since(Time::ZERO), &fault);
                fault.strike(world);
            }
        }
        world.run_for(until.since(world.now()));
    }

    /// How often each family struck.
    #[must_use]
    pub const fn struck(&self) -> &BTreeMap<&'static str, u64> {
        &self.struck
    }

    /// A look at the sky: what strikes now.
    fn look(&mut self, world: &World) -> Vec<Fault> {
        // A strike may have moved the clock on by itself.
        let (now, passed) = (self.next.max(world.now()), self.stream.span(LOOKS));
        self.next = now + passed;
        let scene = Scene::new(world);
        let times = if scene.is_interesting() { WINDOW } else { 1 };
        let chances = millis(passed).saturating_mul(times);
        let mut strikes = Vec::new();
        for Forecast { family, every, struck } in &mut self.families {
            let is_quiet = struck.is_some_and(|at| now.since(at) < family.quiet);
            if self.stream.below(millis(*every).max(1)) >= chances || is_quiet {
                continue;
            }
            if let Some(fault) = (family.draw)(&scene, &mut self.stream) {
                *struck = Some(now);
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
