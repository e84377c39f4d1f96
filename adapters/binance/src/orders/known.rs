//! Every order that is known, and among them the few of which something may be due.
//!
//! Thousands of orders that are over are remembered, because late words of the venue must find them. The loop
//! asks with each turn what is due; looking at all of them took longer than everything else of a turn.
//!
//! **Invariant:** an order that is not awake is over and nothing of it is due.

use std::collections::{BTreeMap, BTreeSet};

use crate::orders::tracked::Tracked;

/// Orders by the engine's id.
#[derive(Debug, Default)]
pub(super) struct Known {
    orders: BTreeMap<u64, Tracked>,
    awake: BTreeSet<u64>,
    /// When the first of them must be looked at, `u64::MAX` for never; `None` when one may have changed.
    due_ns: Option<u64>,
}

impl Known {
    /// Whether the order is known.
    pub(super) fn contains(&self, order: u64) -> bool {
        self.orders.contains_key(&order)
    }

    /// The order, to be read.
    pub(super) fn get(&self, order: u64) -> Option<&Tracked> {
        self.orders.get(&order)
    }

    /// The order, to be changed: it is awake from here on.
    pub(super) fn get_mut(&mut self, order: u64) -> Option<&mut Tracked> {
        let tracked = self.orders.get_mut(&order)?;
        if !std::mem::replace(&mut tracked.awake, true) {
            self.awake.insert(order);
        }
        self.due_ns = None;
        Some(tracked)
    }

    /// The order, made where it is not known.
    pub(super) fn get_or_make(
        &mut self,
        order: u64,
        make: impl FnOnce() -> Tracked,
    ) -> &mut Tracked {
        let tracked = self.orders.entry(order).or_insert_with(make);
        if !std::mem::replace(&mut tracked.awake, true) {
            self.awake.insert(order);
        }
        self.due_ns = None;
        tracked
    }

    /// Forgets the order.
    pub(super) fn remove(&mut self, order: u64) -> Option<Tracked> {
        self.awake.remove(&order);
        self.due_ns = None;
        self.orders.remove(&order)
    }

    /// How many are not over.
    pub(super) fn live_count(&self) -> usize {
        self.awake.iter().filter(|order| self.get(**order).is_some_and(|one| !one.over)).count()
    }

    /// When the first order must be looked at; `u64::MAX` for never.
    pub(super) fn due_ns(&mut self) -> u64 {
        if let Some(due_ns) = self.due_ns {
            return due_ns;
        }
        let mut first_ns = u64::MAX;
        let orders = &mut self.orders;
        self.awake.retain(|order| {
            let Some(tracked) = orders.get_mut(order) else { return false };
            let due_ns = tracked.due_ns();
            first_ns = first_ns.min(due_ns);
            tracked.awake = !tracked.over || due_ns != u64::MAX;
            tracked.awake
        });
        self.due_ns = Some(first_ns);
        first_ns
    }

    /// The orders that must be looked at now.
    pub(super) fn due(&mut self, now_ns: u64) -> Vec<u64> {
        if now_ns < self.due_ns() {
            return Vec::new();
        }
        let is_due = |order: &u64| self.get(*order).is_some_and(|one| one.due_ns() <= now_ns);
        self.awake.iter().copied().filter(is_due).collect()
    }
}

#[cfg(test)]
mod tests {
    use engine::event::Side;

    use super::*;

    #[test]
    fn orders_sleep_when_they_are_over_and_wake_when_they_are_touched() {
        let mut known = Known::default();
        for order in 1..=3 {
            known.get_or_make(order, || Tracked::new(0, Side::Buy));
        }
        known.get_mut(2).unwrap().check_at_ns = 50;
        assert_eq!((known.due_ns(), known.live_count()), (50, 3));
        assert_eq!(known.due(49), Vec::<u64>::new());
        assert_eq!(known.due(50), [2]);
        for order in 1..=3 {
            known.get_mut(order).unwrap().over = true;
        }
        assert_eq!((known.due_ns(), known.live_count()), (50, 0));
        assert_eq!(known.awake, BTreeSet::from([2]));
        known.get_mut(2).unwrap().check_at_ns = 0;
        assert_eq!(known.due_ns(), u64::MAX);
        assert_eq!(known.awake, BTreeSet::new());
        // A late word about an order that is over: something is due again.
        known.get_mut(3).unwrap().check_at_ns = 70;
        assert_eq!((known.due_ns(), known.due(70)), (70, vec![3]));
        known.remove(3);
        assert_eq!((known.due_ns(), known.contains(3), known.contains(1)), (u64::MAX, false, true));
    }
}
