//! What becomes of orders: reservations follow the order events of the OMS, positions follow fills.

use crate::event::{Event, OrderState, Side, flags};
use crate::market::Market;
use crate::money::Money;
use crate::ring::Emitter;

use super::Gate;
use super::exposure::Reservation;
use super::judge::{self, Refusal};
use super::orders::{Change, Order};
use super::rule::Rule;

impl Gate {
    /// What is reserved for an order; its instrument is in the table, or it would not be kept.
    #[inline]
    pub(super) fn held(&self, order: &Order) -> Reservation {
        self.sheet.get(order.instrument).map(|entry| order.reservation(entry)).unwrap_or_default()
    }

    /// Changes what is reserved for an order.
    #[inline]
    pub(super) fn hold(&mut self, order: &Order, before: Reservation, after: Reservation) {
        let row = self.row(order.source);
        for sheet in [&mut self.sheet, &mut self.rows[row].sheet] {
            if let Some(entry) = sheet.get_mut(order.instrument) {
                entry.reserve(order.side, before, after);
                entry.see_price(order.price);
            }
        }
        self.parents.hold(order.parent, before.quantity, after.quantity);
        self.orders.touch(order);
    }

    #[inline]
    fn let_go(&mut self, order: &Order) {
        let before = self.held(order);
        let row = self.row(order.source);
        for sheet in [&mut self.sheet, &mut self.rows[row].sheet] {
            if let Some(entry) = sheet.get_mut(order.instrument) {
                entry.reserve(order.side, before, Reservation::default());
            }
        }
        self.parents.hold(order.parent, before.quantity, 0);
        self.opened(order, -1);
    }

    /// Takes in an order that is kept already, with everything that it needs.
    pub(super) fn take_in(&mut self, order: &Order) {
        self.opened(order, 1);
        let after = self.held(order);
        self.hold(order, Reservation::default(), after);
    }

    /// The OMS says where an order stands.
    pub(super) fn order(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let state = event.code.to_le_bytes()[0];
        let state = OrderState::from_code(state).unwrap_or(OrderState::Unknown);
        if event.id == 0 && !state.is_terminal() {
            return;
        }
        if let Some(place) = self.orders.find(event.id) {
            if state.is_terminal() {
                let order = *self.orders.get(place);
                self.orders.remove(place);
                self.let_go(&order);
                self.parents.remember(&order);
                return;
            }
            let before = self.held(self.orders.get(place));
            let order = self.orders.get_mut(place);
            follow(order, event, state);
            let order = *order;
            let after = self.held(&order);
            if before.quantity < after.quantity || before.notional < after.notional {
                self.lanes.close();
            }
            self.hold(&order, before, after);
            return;
        }
        let approved = self.orders.take_unbound(event.cause);
        let before = match &approved {
            Some(order) => self.held(order),
            None => Reservation::default(),
        };
        if let Some(order) = &approved {
            self.let_go(order);
        }
        if state.is_terminal() {
            return;
        }
        let mut order = match approved {
            Some(order) => Order { id: event.id, ..order },
            None if self.sheet.get(event.instrument).is_some() => adopted(event),
            None => return,
        };
        follow(&mut order, event, state);
        if self.orders.insert(order).is_err() {
            self.halt_without_room(out);
            return;
        }
        if self.held(&order) != before {
            self.lanes.close();
        }
        self.take_in(&order);
    }

    pub(super) fn fill(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        // The day's baseline must not know of this fill.
        self.advance(event.time_ns, market);
        self.fill_of_parent(event);
        // A fee in kind moves position and cash, but fills nothing of its order.
        let place = self.orders.find(event.id).filter(|_| !event.has(flags::IN_KIND));
        if let Some(place) = place {
            let before = self.held(self.orders.get(place));
            let order = self.orders.get_mut(place);
            order.filled = order.filled.saturating_add(event.quantity.max(0));
            order.fill_cause = event.cause;
            let order = *order;
            let after = self.held(&order);
            self.hold(&order, before, after);
        }
        let quantity = i128::from(event.quantity);
        let signed = if event.side() == Side::Sell { -quantity } else { quantity };
        self.sheet.trade(event.instrument, event.price, signed);
        let row = self.row(event.source);
        self.rows[row].sheet.trade(event.instrument, event.price, signed);
        self.advance(event.time_ns, market);
        self.watch(out);
        if !event.has(flags::IN_KIND) {
            self.executed(event, row, market, out);
        }
    }

    /// What a child trades counts as executed of its parent, also when the child is over.
    fn fill_of_parent(&mut self, event: &Event) {
        if !self.parents.is_used() || event.has(flags::IN_KIND) {
            return;
        }
        let parent = match self.orders.find(event.id) {
            Some(place) => self.orders.get(place).parent,
            None => self.parents.of_ended(event.id),
        };
        self.parents.execute(parent, event.quantity);
    }

    /// A strategy that trades too often without a look by a person is latched off.
    fn executed(&mut self, event: &Event, row: usize, market: &Market, out: &mut Emitter<'_>) {
        if !self.has_row_limits {
            return;
        }
        let own = &mut self.rows[row];
        own.executions.push(event.time_ns);
        let limit = own.executions.count_max();
        if limit != 0 && own.executions.reaches(limit, event.time_ns) {
            let limit = judge::count(limit);
            self.latch(row, Refusal { rule: Rule::RepeatedExecution, measured: limit, limit }, out);
        }
        self.watch_row(row, market, out);
    }

    pub(super) fn fee(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) {
        let paid = Money::from_event(event.quantity);
        self.sheet.pay(event.instrument, paid);
        let row = self.row(event.source);
        self.rows[row].sheet.pay(event.instrument, paid);
        self.advance(event.time_ns, market);
        self.watch(out);
    }

    /// A new inbound event ends the cascade before it: an approval that has no order by now never
    /// will, so nothing was sent and its reservation would be lost for ever.
    pub(super) fn release_unbound(&mut self) {
        while let Some(order) = self.orders.pop_unbound() {
            self.let_go(&order);
            self.dropped_count = self.dropped_count.saturating_add(1);
        }
    }
}

/// An order that the gate did not approve (found at the venue after a restart).
fn adopted(event: &Event) -> Order {
    Order {
        id: event.id,
        instrument: event.instrument,
        source: event.source,
        side: event.side(),
        reduce_only: event.has(flags::REDUCE_ONLY),
        ..Order::FREE
    }
}

/// Takes over what an event says of an order that is not over.
fn follow(order: &mut Order, event: &Event, state: OrderState) {
    order.price = event.price;
    // An order of unknown fate keeps what was reserved, also when nobody can say what is left.
    if state != OrderState::Unknown || 0 < event.quantity {
        order.leaves = event.quantity.max(0);
    }
    if order.change.sequence == 0 {
        return;
    }
    if state == OrderState::PendingReplace {
        order.change.taken = true;
        return;
    }
    // Told for a reason that is older than the approval.
    if event.cause < order.change.sequence {
        return;
    }
    // Told because of the approval itself, and not on its way: the OMS did not take the change.
    if event.cause == order.change.sequence {
        order.change = Change::default();
        return;
    }
    // Else the outcome is a working state, reached by something which is not a fill of the old terms,
    // and which came out of a state that is not working (or the OMS never took the change, or the terms
    // are the new ones). Anything less clear keeps the larger reservation.
    let before = OrderState::from_code(event.code.to_le_bytes()[1]);
    let is_fill = event.cause == order.fill_cause;
    let answered = !before.is_some_and(is_working) || !order.change.taken;
    let as_wanted =
        event.price == order.change.price && event.quantity == order.leaves_of(order.change.total);
    if is_working(state) && !is_fill && (answered || as_wanted) {
        order.change = Change::default();
    }
}

/// Whether the order works at the venue and nothing is on its way.
fn is_working(state: OrderState) -> bool {
    matches!(state, OrderState::Acked | OrderState::PartiallyFilled)
}
