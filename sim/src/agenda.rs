//! The agenda: what will happen, and when. Things filed for one instant come out in an order that only
//! the seed decides, never the order of filing.

use std::collections::BTreeMap;
use std::time::Duration;

use pool_manager_core::Time;

use crate::random::Stream;

/// A queue of things to come.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    entries: BTreeMap<(Time, u64), T>,
    filed: u64,
    order: Stream,
}

impl<T> Agenda<T> {
    pub(crate) fn new(order: Stream) -> Self {
        Self { entries: BTreeMap::new(), filed: 0, order }
    }

    pub(crate) fn file(&mut self, at: Time, thing: T) {
        self.filed += 1;
        self.entries.insert((at, self.filed), thing);
    }

    /// Moves everything that is to come later by as much: nothing happens while the host sleeps.
    pub(crate) fn shift(&mut self, by: Duration) {
        let entries = std::mem::take(&mut self.entries);
        self.entries = entries.into_iter().map(|((at, filed), thing)| ((at + by, filed), thing)).collect();
    }

    /// Forgets what is not to happen any more.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&T) -> bool) {
        self.entries.retain(|_, thing| keeps(thing));
    }

    /// Takes out what is not to happen any more, in the order in which it would have.
    pub(crate) fn take_all(&mut self, takes: impl Fn(&T) -> bool) -> Vec<T> {
        let (taken, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.entries).into_iter().partition(|(_, thing)| takes(thing));
        self.entries = kept.into_iter().collect();
        taken.into_iter().map(|(_, thing)| thing).collect()
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes all that is due, shuffled, but for those that wait in one queue: they keep their order.
    pub(crate) fn take_due<Q: Ord>(&mut self, now: Time, queue: impl Fn(&T) -> Option<Q>) -> Vec<T> {
        let later = self.entries.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.entries, later);
        let mut due: Vec<((Time, u64), T)> = due.into_iter().collect();
        self.order.shuffle(&mut due);
        let mut queues: BTreeMap<Q, Vec<usize>> = BTreeMap::new();
        for (place, (_, thing)) in due.iter().enumerate() {
            if let Some(queue) = queue(thing) {
                queues.entry(queue).or_default().push(place);
            }
        }
        for places in queues.into_values() {
            for (done, first) in places.iter().enumerate() {
                let earliest = places[done..].iter().min_by_key(|place| due[**place].0);
                due.swap(*first, *earliest.unwrap_or(first));
            }
        }
        due.into_iter().map(|(_, thing)| thing).collect()
    }

    /// A draw of the same stream that orders things.
    pub(crate) fn draw_below(&mut self, end: u32) -> u32 {
        self.order.below(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Entity;

    fn order(seed: u64) -> Vec<u32> {
        order_with(seed, |_| None)
    }

    fn order_with(seed: u64, queue: impl Fn(&u32) -> Option<u32>) -> Vec<u32> {
        let mut agenda = Agenda::new(Stream::new(seed, Entity::Agenda));
        (0..10).for_each(|n| agenda.file(Time::from_nanos(5), n));
        agenda.file(Time::from_nanos(6), 10);
        assert_eq!(agenda.next_at(), Some(Time::from_nanos(5)));
        agenda.take_due(Time::from_nanos(5), queue)
    }

    #[test]
    fn the_seed_orders_one_instant_and_nothing_later_is_taken() {
        let filed: Vec<u32> = (0..10).collect();
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert_eq!(sorted, filed);
    }

    #[test]
    fn those_of_one_queue_keep_their_order() {
        let of_three = |n: &u32| (n % 3 < 2).then_some(n % 3);
        for queue in 0..2 {
            let queued: Vec<u32> = order_with(1, of_three).into_iter().filter(|n| n % 3 == queue).collect();
            assert!(queued.is_sorted(), "{queued:?}");
        }
        assert_ne!(order_with(1, of_three), order_with(2, of_three));
    }
}
