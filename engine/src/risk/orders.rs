//! Reservations by order: what the gate holds back until an order is over.
//!
//! ```text
//!   APPROVED (sequence s) --> unbound list --ORDER New, cause s--> slot of the id --terminal--> free
//! ```
//!
//! The slot of an id is its counter modulo the number of slots, as in the OMS. Orders of earlier
//! sessions can meet there; the later one goes to a spill list.

use crate::event::Side;
use crate::ids;

use super::exposure::{Entry, ORDERS_MAX, Reservation};
use super::parent::ParentPlace;

/// A change of an order that was approved and whose outcome is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Sequence of the approval; 0 when no change is under way.
    pub(super) sequence: u64,
    pub(super) price: i64,
    /// New total quantity, with what had traded before.
    pub(super) total: i64,
    /// Whether the OMS said that it has sent it.
    pub(super) taken: bool,
}

/// What the gate knows of an order that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// 0 in a free slot; the sequence of the approval in the unbound list.
    pub(super) id: u64,
    pub(super) instrument: u16,
    pub(super) source: u16,
    /// The parent that it is a child of.
    pub(super) parent: ParentPlace,
    pub(super) side: Side,
    pub(super) reduce_only: bool,
    pub(super) price: i64,
    /// As stated last by the OMS.
    pub(super) leaves: i64,
    /// As far as the gate has seen fills.
    pub(super) filled: i64,
    /// Cause of its last fill: an order event of the same cause tells of the fill, not of a change.
    pub(super) fill_cause: u64,
    pub(super) change: Change,
}

impl Order {
    pub(super) const FREE: Order = Order {
        id: 0,
        instrument: 0,
        source: 0,
        parent: 0,
        side: Side::Buy,
        reduce_only: false,
        price: 0,
        leaves: 0,
        filled: 0,
        fill_cause: 0,
        change: Change { sequence: 0, price: 0, total: 0, taken: false },
    };

    /// What would be left after a change to `total`.
    #[inline]
    pub(super) fn leaves_of(&self, total: i64) -> i64 {
        total.saturating_sub(self.filled).max(0)
    }

    /// What must be held back: the present terms or those of a change under way, whichever is more.
    #[inline]
    pub(super) fn reservation(&self, entry: &Entry) -> Reservation {
        let leaves = self.leaves.max(0);
        let mut held =
            Reservation { quantity: leaves, notional: entry.order_notional(self.price, leaves) };
        if self.change.sequence != 0 {
            let leaves = self.leaves_of(self.change.total);
            let notional = entry.order_notional(self.change.price, leaves);
            held.quantity = held.quantity.max(leaves);
            held.notional = held.notional.max(notional);
        }
        held
    }
}

/// Where an order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Slot(usize),
    Spill(usize),
}

/// There is no room for another order.
#[derive(Debug)]
pub(super) struct NoRoom;

/// Orders that are not over, and approvals that have no order yet.
#[derive(Debug)]
pub(super) struct Orders {
    slots: Box<[Order]>,
    mask: u64,
    /// Orders whose slot was taken. Bounded by the number of slots.
    spill: Vec<Order>,
    /// Approvals of the present cascade, oldest first mostly. Bounded by the number of slots.
    unbound: Vec<Order>,
    slot_count_used: usize,
    /// One bit a slot that is not free.
    used: Box<[u64]>,
    /// By instrument and side: no order works at a better price than this. Exact after a search only.
    bounds: Box<[[i64; 2]]>,
}

/// No order works at all.
const NO_PRICE: [i64; 2] = [i64::MIN, i64::MAX];

/// Whether an order of `side` at `price` would trade with one of the other side at `other`.
#[inline]
fn crosses(side: Side, price: i64, other: i64) -> bool {
    match side {
        Side::Buy => other <= price,
        Side::Sell => price <= other,
    }
}

/// The better of two prices of a side.
#[inline]
fn better(side: Side, price: i64, other: i64) -> i64 {
    match side {
        Side::Buy => price.max(other),
        Side::Sell => price.min(other),
    }
}

impl Orders {
    pub(super) fn new(orders_max: usize, instrument_count: usize) -> Orders {
        assert!(orders_max.is_power_of_two());
        assert!(orders_max <= ORDERS_MAX);
        Orders {
            slots: vec![Order::FREE; orders_max].into_boxed_slice(),
            mask: u64::try_from(orders_max - 1).expect("a count of orders fits 64 bits"),
            spill: Vec::with_capacity(orders_max),
            unbound: Vec::with_capacity(orders_max),
            slot_count_used: 0,
            used: vec![0; orders_max.div_ceil(64)].into_boxed_slice(),
            bounds: vec![NO_PRICE; instrument_count].into_boxed_slice(),
        }
    }

    /// Notes at which prices an order may trade from now on.
    #[inline]
    pub(super) fn touch(&mut self, order: &Order) {
        let Some(bounds) = self.bounds.get_mut(usize::from(order.instrument)) else { return };
        let bound = &mut bounds[order.side.index()];
        *bound = better(order.side, *bound, order.price);
        if order.change.sequence != 0 {
            *bound = better(order.side, *bound, order.change.price);
        }
    }

    /// Whether an order of `side` at `price` may trade with an own one.
    #[inline(always)]
    pub(super) fn may_match(&self, instrument: u16, side: Side, price: i64) -> bool {
        let bounds = self.bounds.get(usize::from(instrument));
        bounds.is_some_and(|bounds| crosses(side, price, bounds[side.opposite().index()]))
    }

    /// The best price of the own orders with which an order of `side` at `price` would trade.
    #[inline]
    pub(super) fn own_match(&mut self, instrument: u16, side: Side, price: i64) -> Option<i64> {
        let bound = self.bounds.get(usize::from(instrument))?[side.opposite().index()];
        if !crosses(side, price, bound) {
            return None;
        }
        Some(self.search(instrument, side.opposite())).filter(|best| crosses(side, price, *best))
    }

    /// The best price of the orders of that side; the bound is exact afterwards.
    fn search(&mut self, instrument: u16, side: Side) -> i64 {
        let mut best = NO_PRICE[side.index()];
        for (word_index, word) in self.used.iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                let bit = usize::try_from(word.trailing_zeros()).unwrap_or(0);
                word &= word - 1;
                best = best_of(&self.slots[word_index * 64 + bit], instrument, side, best);
            }
        }
        for order in self.spill.iter().chain(&self.unbound) {
            best = best_of(order, instrument, side, best);
        }
        if let Some(bounds) = self.bounds.get_mut(usize::from(instrument)) {
            bounds[side.index()] = best;
        }
        best
    }

    #[inline]
    fn mark_used(&mut self, index: usize, is_used: bool) {
        let bit = 1 << (index % 64);
        if is_used {
            self.used[index / 64] |= bit;
            self.slot_count_used += 1;
        } else {
            self.used[index / 64] &= !bit;
            self.slot_count_used -= 1;
        }
    }

    /// Orders that are not over, with approvals that have no order yet.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.slot_count_used + self.spill.len() + self.unbound.len()
    }

    pub(super) fn slots(&self) -> &[Order] {
        &self.slots
    }

    /// Orders that there are slots for.
    pub(super) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn spill(&self) -> &[Order] {
        &self.spill
    }

    pub(super) fn unbound(&self) -> &[Order] {
        &self.unbound
    }

    #[inline]
    fn index(&self, id: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "masked to the slot count, a usize")]
        let index = (ids::counter(id) & self.mask) as usize;
        index
    }

    #[inline]
    pub(super) fn find(&self, id: u64) -> Option<Place> {
        if id == 0 {
            return None;
        }
        let index = self.index(id);
        if self.slots[index].id == id {
            return Some(Place::Slot(index));
        }
        if self.spill.is_empty() {
            return None;
        }
        self.spill.iter().position(|order| order.id == id).map(Place::Spill)
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> &Order {
        match place {
            Place::Slot(index) => &self.slots[index],
            Place::Spill(index) => &self.spill[index],
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: Place) -> &mut Order {
        match place {
            Place::Slot(index) => &mut self.slots[index],
            Place::Spill(index) => &mut self.spill[index],
        }
    }

    /// Keeps an order whose id is not kept yet and not 0.
    #[inline]
    pub(super) fn insert(&mut self, order: Order) -> Result<(), NoRoom> {
        debug_assert!(order.id != 0);
        let index = self.index(order.id);
        if self.slots[index].id == 0 {
            self.slots[index] = order;
            self.mark_used(index, true);
            return Ok(());
        }
        if self.spill.len() == self.slots.len() {
            return Err(NoRoom);
        }
        self.spill.push(order);
        Ok(())
    }

    #[inline]
    pub(super) fn remove(&mut self, place: Place) {
        match place {
            Place::Slot(index) => {
                self.slots[index] = Order::FREE;
                self.mark_used(index, false);
            }
            Place::Spill(index) => {
                self.spill.swap_remove(index);
            }
        }
    }

    /// Keeps an approval until the OMS gives it an id.
    #[inline]
    pub(super) fn push_unbound(&mut self, order: Order) -> Result<(), NoRoom> {
        if self.unbound.len() == self.slots.len() {
            return Err(NoRoom);
        }
        self.unbound.push(order);
        Ok(())
    }

    /// Takes out the approval with that sequence.
    #[inline]
    pub(super) fn take_unbound(&mut self, sequence: u64) -> Option<Order> {
        let index = self.unbound.iter().position(|order| order.id == sequence)?;
        Some(self.unbound.swap_remove(index))
    }

    /// Takes out any approval.
    #[inline]
    pub(super) fn pop_unbound(&mut self) -> Option<Order> {
        self.unbound.pop()
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(Order::FREE);
        self.spill.clear();
        self.unbound.clear();
        self.slot_count_used = 0;
        self.used.fill(0);
        self.bounds.fill(NO_PRICE);
    }

    /// Puts a saved order back where it was. Refuses what no gate can have saved.
    pub(super) fn restore(&mut self, order: Order, spilled: bool) -> Result<(), NoRoom> {
        if order.id == 0 || self.find(order.id).is_some() {
            return Err(NoRoom);
        }
        if !spilled {
            let index = self.index(order.id);
            if self.slots[index].id != 0 {
                return Err(NoRoom);
            }
            self.slots[index] = order;
            self.mark_used(index, true);
            return Ok(());
        }
        if self.spill.len() == self.slots.len() {
            return Err(NoRoom);
        }
        self.spill.push(order);
        Ok(())
    }
}

/// The better of `best` and the prices at which the order may trade, if it is one of that side.
fn best_of(order: &Order, instrument: u16, side: Side, best: i64) -> i64 {
    if order.instrument != instrument || order.side != side {
        return best;
    }
    let best = better(side, best, order.price);
    if order.change.sequence == 0 { best } else { better(side, best, order.change.price) }
}
