//! GPUs of the simulated host, by what engines and release checks find of them: whether one is there, whose memory
//! is on it, how slow it is, and what a look at it says. Everything here passes by itself.
//!
//! A device is what a mask calls it. After a change of their order two names stand for each other's device.

use std::collections::BTreeMap;

use pool_manager_core::Time;

/// What may be wrong with one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ailment {
    /// It is not there: lost, reset, or divided anew.
    Gone,
    /// Somebody else's memory is on it.
    Crowded,
    /// What a look says of its memory is from a time when it was free.
    Unseen,
    /// Loads take so many times as long on it.
    Slow(u32),
}

/// All GPUs of a host. Fresh: each one a mask names is there, empty and fast.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gpus {
    devices: BTreeMap<String, Device>,
    /// Two names that stand for each other's device, and until when.
    swapped: Option<(String, String, Time)>,
    driver_gone_until: Time,
    silent_until: Time,
}

/// Until when what is true of one device.
#[derive(Clone, Copy, Debug, Default)]
struct Device {
    gone: Time,
    crowded: Time,
    unseen: Time,
    slow: (u32, Time),
    /// Memory of engines that have ended.
    lingers: Time,
}

impl Gpus {
    pub(crate) fn ail(&mut self, name: &str, ailment: Ailment, (now, until): (Time, Time)) {
        let name = self.real(name, now).to_owned();
        let device = self.devices.entry(name).or_default();
        match ailment {
            Ailment::Gone => device.gone = device.gone.max(until),
            Ailment::Crowded => device.crowded = device.crowded.max(until),
            Ailment::Unseen => device.unseen = device.unseen.max(until),
            Ailment::Slow(times) => device.slow = (times, until),
        }
    }

    /// The driver cannot be used until then.
    pub(crate) fn unload_driver(&mut self, until: Time) {
        self.driver_gone_until = self.driver_gone_until.max(until);
    }

    /// Whoever looks at a GPU waits until then.
    pub(crate) fn fall_silent(&mut self, until: Time) {
        self.silent_until = self.silent_until.max(until);
    }

    /// Two devices have each other's name until then.
    pub(crate) fn swap(&mut self, one: &str, other: &str, until: Time) {
        self.swapped = Some((one.to_owned(), other.to_owned(), until));
    }

    /// The memory of an engine stays on its devices after its end.
    pub(crate) fn linger(&mut self, mask: &[String], now: Time, until: Time) {
        if until <= now {
            return;
        }
        for name in mask {
            let name = self.real(name, now).to_owned();
            let device = self.devices.entry(name).or_default();
            device.lingers = device.lingers.max(until);
        }
    }

    pub(crate) fn has_driver(&self, now: Time) -> bool {
        self.driver_gone_until <= now
    }

    /// When a look that is taken now has its answer.
    pub(crate) const fn answers_at(&self) -> Time {
        self.silent_until
    }

    pub(crate) fn are_there(&self, mask: &[String], now: Time) -> bool {
        self.of(mask, now).all(|device| device.gone <= now)
    }

    /// Whether a look finds memory in use.
    pub(crate) fn look_used(&self, mask: &[String], now: Time) -> bool {
        self.of(mask, now).any(|device| device.is_used(now) && device.unseen <= now)
    }

    /// Whether an engine that loads now finds no room.
    pub(crate) fn have_no_room(&self, mask: &[String], now: Time) -> bool {
        self.of(mask, now).any(|device| device.is_used(now))
    }

    /// How many times as long a load takes.
    pub(crate) fn slowness(&self, mask: &[String], now: Time) -> u32 {
        let slow = self.of(mask, now).filter(|device| device.slow.1 > now);
        slow.map(|device| device.slow.0).max().unwrap_or(1)
    }

    /// Everything heals. What engines left on their devices goes in its own time.
    pub(crate) fn heal(&mut self) {
        let lingering = self.devices.iter().map(|(name, device)| (name.clone(), device.lingers));
        let devices =
            lingering.map(|(name, lingers)| (name, Device { lingers, ..Device::default() })).collect();
        *self = Self { devices, ..Self::default() };
    }

    fn of<'a>(&'a self, mask: &'a [String], now: Time) -> impl Iterator<Item = Device> + 'a {
        mask.iter().filter_map(move |name| self.devices.get(self.real(name, now)).copied())
    }

    fn real<'a>(&'a self, name: &'a str, now: Time) -> &'a str {
        match &self.swapped {
            Some((one, other, until)) if *until > now => match name {
                name if name == one => other,
                name if name == other => one,
                name => name,
            },
            Some(_) | None => name,
        }
    }
}

impl Device {
    fn is_used(self, now: Time) -> bool {
        self.crowded > now || self.lingers > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_nanos(1);
    const LATER: Time = Time::from_nanos(5);

    fn mask(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_ails_a_device_passes() {
        let mut gpus = Gpus::default();
        gpus.ail("0", Ailment::Gone, (NOW, LATER));
        gpus.ail("1", Ailment::Crowded, (NOW, LATER));
        assert!(!gpus.are_there(&mask(&["1", "0"]), NOW) && gpus.are_there(&mask(&["1"]), NOW));
        assert!(gpus.look_used(&mask(&["1"]), NOW) && !gpus.look_used(&mask(&["0"]), NOW));
        assert!(gpus.are_there(&mask(&["0"]), LATER) && !gpus.look_used(&mask(&["1"]), LATER));
        gpus.heal();
        assert!(gpus.are_there(&mask(&["0"]), NOW) && !gpus.have_no_room(&mask(&["1"]), NOW));
    }

    #[test]
    fn a_look_that_is_stale_finds_room_where_a_load_finds_none() {
        let mut gpus = Gpus::default();
        gpus.linger(&mask(&["0"]), NOW, LATER);
        gpus.ail("0", Ailment::Unseen, (NOW, LATER));
        assert!(!gpus.look_used(&mask(&["0"]), NOW) && gpus.have_no_room(&mask(&["0"]), NOW));
        gpus.heal();
        assert!(gpus.look_used(&mask(&["0"]), NOW), "memory goes in its own time");
    }

    #[test]
    fn names_that_changed_places_stand_for_the_other_device() {
        let mut gpus = Gpus::default();
        gpus.ail("0", Ailment::Gone, (NOW, Time::from_nanos(9)));
        gpus.swap("0", "1", LATER);
        assert!(gpus.are_there(&mask(&["0"]), NOW) && !gpus.are_there(&mask(&["1"]), NOW));
        assert!(gpus.are_there(&mask(&["1"]), LATER) && !gpus.are_there(&mask(&["0"]), LATER));
    }
}
