//! What a pull, a link and silence mean for orders: which are missed, which differ, which are stale.
//!
//! ```text
//!   pull-begin:  every order that the venue has shown, or that was silent for a query's time  --> marked
//!   any report of a marked order                                                              --> unmarked
//!   venue order: a marked order is compared; what the venue says of its terms is newer than what we know
//!   pull-end:    who is still marked was not among the venue's orders                         --> unknown
//! ```
//! An order that was sent and not answered yet when the pull began is not marked: the pull may have
//! overtaken it. Its request is answered, or reported as unknown, in its own time.
//!
//! **Invariant:** nothing is assumed from a pull: an order that is missing in it is asked for.
//!
//! **Invariant:** no order of a stranger is adopted or cancelled; it is told once a pull.
//!
//! **Invariant:** quantity moves by executions that the venue lists, never by a cumulative number. What
//! it says it traded and does not list is asked for, and told; the position then differs from the
//! balance, and the reconciler keeps the venue locked.

use super::order::{Order, note};
use super::table::Input;
use super::{NO_TERMS, Oms};
use crate::event::{DifferenceCode, Event, Kind, LinkCode, NO_STRATEGY, OrderState, flags};
use crate::instrument::Venue;
use crate::ring::Emitter;

/// Most differences of orders told in one pull; the balances tell the rest. Arbitrary.
pub(super) const DIFFERENCE_COUNT_MAX: u32 = 256;

/// The link to a venue, as far as orders are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pull {
    /// Number of the pull that is going on; 0 for none.
    pub(super) number: u64,
    /// Differences told in it.
    pub(super) told_count: u32,
    /// Nobody would hear a question.
    pub(super) is_link_down: bool,
}

impl Oms {
    pub(super) fn link(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let venue = u8::try_from(event.tag).ok().and_then(Venue::from_code);
        let (Some(venue), Some(code)) = (venue, LinkCode::from_code(event.code)) else { return };
        let number = self.pulls[venue.index()].number;
        match code {
            LinkCode::Up => {
                self.forget_pull(venue);
                self.pulls[venue.index()].is_link_down = false;
            }
            LinkCode::Down => {
                self.forget_pull(venue);
                self.pulls[venue.index()].is_link_down = true;
            }
            LinkCode::PullBegin => {
                self.forget_pull(venue);
                self.begin_pull(venue, event);
            }
            LinkCode::PullEnd if number == event.id && number != 0 => self.end_pull(venue, out),
            LinkCode::PullFailed if number == event.id => self.forget_pull(venue),
            LinkCode::PullEnd | LinkCode::PullFailed => {}
        }
    }

    fn begin_pull(&mut self, venue: Venue, event: &Event) {
        let pull = &mut self.pulls[venue.index()];
        (pull.number, pull.told_count) = (event.id, 0);
        let silent_since_ns = event.time_ns.saturating_sub(self.times.query_interval_ns);
        for slot in 0..self.slab.slot_count() {
            let mut order = *self.slab.get(slot);
            let was_there = order.has(note::ACKED) || order.heard_ns <= silent_since_ns;
            if order.is_live() && was_there && self.venue_of(&order) == Some(venue) {
                order.notes |= note::PULLED;
                self.slab.put(slot, order);
            }
        }
    }

    fn end_pull(&mut self, venue: Venue, out: &mut Emitter<'_>) {
        for slot in 0..self.slab.slot_count() {
            let order = *self.slab.get(slot);
            if !order.has(note::PULLED) || self.venue_of(&order) != Some(venue) {
                continue;
            }
            // A cancel on its way, or a doubt, explains why the order is gone.
            let is_expected =
                matches!(order.state, OrderState::PendingCancel | OrderState::Unknown);
            if !is_expected {
                let told = (order.leaves(), 0);
                self.difference(DifferenceCode::OrderMissing, told, &order, out);
            }
            self.advance(slot, Input::OutcomeUnknown, NO_TERMS, out);
        }
        self.forget_pull(venue);
    }

    /// Ends the pull that goes on at a venue, if one does; its marks mean nothing any more.
    pub(super) fn forget_pull(&mut self, venue: Venue) {
        if self.pulls[venue.index()].number == 0 {
            return;
        }
        self.pulls[venue.index()].number = 0;
        for slot in 0..self.slab.slot_count() {
            let mut order = *self.slab.get(slot);
            if order.has(note::PULLED) && self.venue_of(&order) == Some(venue) {
                order.notes &= !note::PULLED;
                self.slab.put(slot, order);
            }
        }
    }

    /// A row of a pull: an order that the venue works.
    pub(super) fn venue_order(&mut self, event: &Event, out: &mut Emitter<'_>) {
        let row = Order {
            id: event.id,
            instrument: event.instrument,
            source: NO_STRATEGY,
            flags: event.flags & (flags::SELL | flags::STRANGER),
            ..Order::NONE
        };
        if event.has(flags::STRANGER) {
            let told = (0, event.quantity);
            return self.difference(DifferenceCode::OrderStrange, told, &row, out);
        }
        let Some(slot) = self.find(event) else {
            let told = (0, event.quantity);
            return self.difference(DifferenceCode::OrderForgotten, told, &row, out);
        };
        let order = *self.slab.get(slot);
        let is_replace_done = order.state == OrderState::Unknown
            && order.has(note::REPLACING)
            && (event.price, event.quantity) == (order.asked_price, order.asked_quantity);
        if is_replace_done && 0 < event.quantity {
            // The outcome of the replace was not known; here it is.
            return self.advance(slot, Input::Replaced, (event.price, event.quantity), out);
        }
        // Heard of since the pull began, or a change on its way: the row may be the older one.
        if !order.has(note::PULLED) || order.has(note::REPLACING) || event.quantity <= 0 {
            return;
        }
        if event.price != order.price {
            let told = (order.price, event.price);
            self.difference(DifferenceCode::OrderPrice, told, &order, out);
        }
        if event.quantity != order.quantity {
            let told = (order.quantity, event.quantity);
            self.difference(DifferenceCode::OrderQuantity, told, &order, out);
        }
        if (event.price, event.quantity) != (order.price, order.quantity) {
            self.advance(slot, Input::Replaced, (event.price, event.quantity), out);
        }
    }

    /// `cumulative` traded of an order by a row of a pull, which is not what we have: when it is more,
    /// fills are missing. An order that was asked for keeps the answer: fills come before it.
    pub(super) fn traded_more(
        &mut self,
        slot: usize,
        before: &Order,
        cumulative: i64,
        out: &mut Emitter<'_>,
    ) {
        let is_row =
            self.venue_of(before).is_some_and(|venue| self.pulls[venue.index()].number != 0);
        if !is_row || cumulative <= before.filled || before.has(note::DOUBTFUL) {
            return;
        }
        let told = (before.filled, cumulative);
        self.difference(DifferenceCode::OrderTraded, told, before, out);
        self.advance(slot, Input::OutcomeUnknown, NO_TERMS, out);
    }

    /// Asks for every order that was silent for too long; what then turns out to work is cancelled.
    #[cold]
    pub(super) fn sweep(&mut self, now_ns: u64, out: &mut Emitter<'_>) {
        self.sweep_at_ns = now_ns.saturating_add(self.times.sweep_interval_ns);
        let silent_since_ns = now_ns.saturating_sub(self.times.stale_order_ns);
        for slot in 0..self.slab.slot_count() {
            let mut order = *self.slab.get(slot);
            if !order.is_live() || silent_since_ns < order.heard_ns || self.is_link_down(&order) {
                continue;
            }
            order.notes |= note::STALE;
            self.slab.put(slot, order);
            self.advance(slot, Input::OutcomeUnknown, NO_TERMS, out);
        }
    }

    fn venue_of(&self, order: &Order) -> Option<Venue> {
        self.instruments.get(order.instrument).map(|instrument| instrument.venue)
    }

    /// Whether nobody would hear a question about the order.
    pub(super) fn is_link_down(&self, order: &Order) -> bool {
        self.venue_of(order).is_some_and(|venue| self.pulls[venue.index()].is_link_down)
    }

    /// Tells both sides of what engine and venue do not agree in.
    fn difference(
        &mut self,
        code: DifferenceCode,
        told: (i64, i64),
        order: &Order,
        out: &mut Emitter<'_>,
    ) {
        let Some(venue) = self.venue_of(order) else { return };
        let pull = &mut self.pulls[venue.index()];
        if pull.number == 0 || DIFFERENCE_COUNT_MAX <= pull.told_count {
            return;
        }
        pull.told_count += 1;
        let mut event = Event::new(Kind::DIFFERENCE);
        event.code = code.code();
        event.instrument = order.instrument;
        event.source = order.source;
        event.id = order.id;
        event.tag = u32::from(venue as u8);
        event.price = told.0;
        event.quantity = told.1;
        event.flags = flags::LAST | (order.flags & (flags::SELL | flags::STRANGER));
        out.emit(event);
    }
}
