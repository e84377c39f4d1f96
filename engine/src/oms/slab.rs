//! The order table: pre-allocated, direct-mapped by the counter of the order id.
//!
//! An order that is over stays in its slot until a new order needs it, so that late fills still find
//! their order. Counts and digest are kept by [`Slab::put`], the only writer.

use super::order::Order;
use crate::event::OrderState;
use crate::ids;
use crate::state::{LoadError, Loader, Saver, State};

#[derive(Debug)]
pub(super) struct Slab {
    orders: Box<[Order]>,
    mask: u64,
    live_count: usize,
    unknown_count: usize,
    digest: u64,
}

impl Slab {
    pub(super) fn new(orders_max: usize) -> Slab {
        assert!(orders_max.is_power_of_two());
        let mask = u64::try_from(orders_max - 1).expect("a slot count fits 64 bits");
        let orders = vec![Order::NONE; orders_max].into_boxed_slice();
        Slab { orders, mask, live_count: 0, unknown_count: 0, digest: 0 }
    }

    /// Slot of every order whose counter is `counter`.
    #[inline]
    pub(super) fn slot(&self, counter: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "masked to the slot count, a usize")]
        let slot = (counter & self.mask) as usize;
        slot
    }

    /// Slot of the order with that id, if we still have it.
    #[inline]
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        let slot = self.slot(ids::counter(id));
        (id != 0 && self.orders[slot].id == id).then_some(slot)
    }

    #[inline]
    pub(super) fn get(&self, slot: usize) -> &Order {
        &self.orders[slot]
    }

    /// Writes down when an order was last heard of; no part of the digest.
    #[inline]
    pub(super) fn hear(&mut self, slot: usize, time_ns: u64) {
        self.orders[slot].heard_ns = time_ns;
    }

    /// Replaces what stands in a slot.
    #[inline]
    pub(super) fn put(&mut self, slot: usize, order: Order) {
        let before = &self.orders[slot];
        self.digest = self.digest.wrapping_sub(before.digest()).wrapping_add(order.digest());
        self.live_count -= usize::from(before.is_live());
        self.live_count += usize::from(order.is_live());
        self.unknown_count -= usize::from(before.state == OrderState::Unknown);
        self.unknown_count += usize::from(order.state == OrderState::Unknown);
        self.orders[slot] = order;
    }

    pub(super) fn slot_count(&self) -> usize {
        self.orders.len()
    }

    #[inline]
    pub(super) fn live_count(&self) -> usize {
        self.live_count
    }

    #[inline]
    pub(super) fn unknown_count(&self) -> usize {
        self.unknown_count
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(|order| order.id != 0)
    }
}

impl State for Slab {
    fn save(&self, out: &mut Saver) {
        out.count(self.orders.len());
        out.count(self.iter().count());
        for order in self.iter() {
            out.u64(order.id);
            out.i64(order.price);
            out.i64(order.quantity);
            out.i64(order.filled);
            out.i64(order.asked_price);
            out.i64(order.asked_quantity);
            out.u64(order.heard_ns);
            out.u32(order.tag);
            out.u16(order.instrument);
            out.u16(order.source);
            out.u16(order.terms);
            out.u8(order.flags);
            out.u8(order.state.code());
            out.u8(order.notes);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let slot_count = self.orders.len();
        *self = Slab::new(slot_count);
        if from.u64()? != self.mask + 1 {
            return Err(from.invalid("orders_max is another one"));
        }
        for _ in 0..from.count(slot_count)? {
            let order = Order {
                id: from.u64()?,
                price: from.i64()?,
                quantity: from.i64()?,
                filled: from.i64()?,
                asked_price: from.i64()?,
                asked_quantity: from.i64()?,
                heard_ns: from.u64()?,
                tag: from.u32()?,
                instrument: from.u16()?,
                source: from.u16()?,
                terms: from.u16()?,
                flags: from.u8()?,
                state: OrderState::from_code(from.u8()?)
                    .ok_or_else(|| from.invalid("order state"))?,
                notes: from.u8()?,
            };
            let slot = self.slot(ids::counter(order.id));
            if order.id == 0 || self.orders[slot].id != 0 {
                return Err(from.invalid("order id"));
            }
            if !order.is_sound() {
                return Err(from.invalid("order"));
            }
            self.put(slot, order);
        }
        Ok(())
    }
}
