//! The scene a family of faults sees when it draws a strike, and how strikes name a pool.

use std::fmt;

use pool_manager_core::{OperationKind, PhaseName, PoolView};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::random::Stream;
use crate::world::World;

/// A pool of a plan, by its place: `a` is the first. What is registered there changes with the operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u8);

impl Place {
    /// The place with this number; beyond the 26th there is none, and the last stands for it.
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self(u8::try_from(number.min(25)).unwrap_or(25))
    }

    /// Its number, from 0.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'a' + self.0))
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match text.as_bytes() {
            [letter @ b'a'..=b'z'] => Ok(Self(letter - b'a')),
            _ => Err(de::Error::custom(format!("{text:?} is no pool of a plan: \"a\" is the first"))),
        }
    }
}

/// The present, as a family of faults sees it.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The whole world.
    pub world: &'a World,
    pools: Vec<(Place, PoolView<'a>)>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let view = world.view();
        let places = world.places().iter().enumerate();
        let pools = places.filter_map(|(number, uid)| Some((Place::new(number), view.pool(*uid)?)));
        Self { world, pools: pools.collect() }
    }

    /// Whether anything is under way that a fault would hit where it hurts.
    #[must_use]
    pub fn is_interesting(&self) -> bool {
        self.pools.iter().any(|(_, pool)| is_interesting(pool))
    }

    /// Any registered pool, ten times likelier one in an interesting window.
    pub fn any(&self, stream: &mut Stream) -> Option<Place> {
        self.pick(stream, |_| true)
    }

    /// Any pool with a live engine, by the same rule.
    pub fn with_engine(&self, stream: &mut Stream) -> Option<Place> {
        self.pick(stream, |pool| pool.engine.is_some())
    }

    /// Any device a pool may touch, by the same rule.
    pub fn device(&self, stream: &mut Stream) -> Option<String> {
        let place = self.pick(stream, |pool| !pool.spec.device_mask.is_empty())?;
        let (_, pool) = self.pools.iter().find(|(of, _)| *of == place)?;
        stream.pick(&pool.spec.device_mask).cloned()
    }

    /// Any place of the plan, whatever is registered there.
    pub fn place(&self, stream: &mut Stream) -> Option<Place> {
        let places = u32::try_from(self.world.places().len()).ok()?;
        (places > 0).then(|| Place::new(stream.below(places) as usize))
    }

    /// Any pool with a live engine that has workers, by the same rule.
    pub fn with_workers(&self, stream: &mut Stream) -> Option<Place> {
        let processes = self.world.processes();
        self.pick(stream, |pool| processes.alive(pool.uid).any(|process| process.live_workers() > 0))
    }

    /// Any pool of a kind, by the same rule.
    pub fn pick(&self, stream: &mut Stream, is: impl Fn(&PoolView<'a>) -> bool) -> Option<Place> {
        let of: Vec<&(Place, PoolView<'_>)> = self.pools.iter().filter(|(_, pool)| is(pool)).collect();
        let hot: Vec<Place> =
            of.iter().filter(|(_, pool)| is_interesting(pool)).map(|(place, _)| *place).collect();
        if !hot.is_empty() && !stream.one_in(11) {
            return stream.pick(&hot).copied();
        }
        stream.pick(&of).map(|(place, _)| *place)
    }
}

/// How often in a row something goes wrong.
pub(super) fn times(stream: &mut Stream) -> u32 {
    1 + stream.below(3)
}

/// Draining, stopping, starting, or in the middle of a reload.
fn is_interesting(pool: &PoolView<'_>) -> bool {
    let reloads = pool.operation.is_some_and(|operation| operation.kind == OperationKind::Reload);
    let passing = matches!(pool.phase, PhaseName::Draining | PhaseName::Stopping | PhaseName::Ended);
    reloads || passing
}
