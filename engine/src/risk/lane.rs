//! Lanes: how much room the rules have left for the next orders, so that an order that is far from every limit
//! passes without being judged rule by rule.
//!
//! ```text
//!   INTENT --> is there a lane, open, with room? --yes--> approved, the room shrinks
//!                 |                                          ^
//!                 no --> judged by the rules ----approved----+--> a lane is opened for what follows
//! ```
//!
//! **Invariant:** what passes in a lane, [`Gate::judge`] would have let pass, and both leave the same state. A lane
//! compares the same numbers or stricter ones; where a comparison fails it says nothing, and the rules judge.
//! A refusal never comes from a lane.
//!
//! **Invariant:** room only shrinks. A lane is closed by everything that could take room away in another way: fills,
//! fees, commands, breakers, clocks, states, changed limits, and marks that leave their anchors. What gives room
//! back (an order that ends) is not noticed until the lane is opened anew.
//!
//! Room in money is what is left at the marks of the moment less the most that they can drift
//! ([`drift`](super::exposure::drift)), in millionths of a currency unit, rounded down. So a mark that moves a little
//! costs one product and no valuation.

pub(super) mod band;
pub(super) mod open;

use crate::event::{BookState, Event, Kind, OrderTerms, Side, flags};
use crate::market::{InstrumentMarket, Market};
use crate::money::Money;
use crate::ring::Emitter;

use super::Gate;
use super::exposure::{DRIFT_SHIFT, mid_twice, wide};
use super::limit_key::UNLIMITED;
use super::multiple::Multiple;
use super::orders::Order;
use super::throttle::{self, Same};
use super::usage::Of;
use super::window::Span;

use band::{Band, Range, holds};

/// Room is counted in so many units of money (a shift): a little more than a millionth.
pub(super) const ROOM_SHIFT: u32 = 20;

/// What follows from the limits and the anchor alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed {
    /// Marks near the anchor that the band is for.
    pub(super) marks: Range,
    pub(super) band: Band,
    /// Price times quantity.
    pub(super) products: Range,
    pub(super) quantity_max: i64,
    pub(super) unit: i64,
    pub(super) tick: Multiple,
    pub(super) lot: Multiple,
    pub(super) reference_age_ns_max: u64,
}

/// Room of one instrument, over all strategies.
#[derive(Clone, Copy, Debug)]
pub(super) struct InstrumentRoom {
    /// Trading hours: open from, and up to.
    pub(super) open_ns: [u64; 2],
    /// By side, in quantity units.
    pub(super) quantity: [i64; 2],
    /// By side, in units of room.
    pub(super) worth: [i64; 2],
}

/// The lane of one instrument.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// [`Lanes::opened`] of when it was opened.
    pub(super) opened: u64,
    pub(super) room: InstrumentRoom,
    pub(super) fixed: Fixed,
}

/// Room of one strategy in one instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairRoom {
    pub(super) opened: u64,
    /// By side, in quantity units.
    pub(super) quantity: [i64; 2],
    /// By side, in units of room.
    pub(super) worth: [i64; 2],
}

/// Room of one strategy over all instruments, and how many orders it may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowRoom {
    pub(super) opened: u64,
    /// In units of room.
    pub(super) worth: i64,
    pub(super) open_count_max: i64,
    pub(super) is_rate_limited: bool,
}

/// Room of the account over all instruments, and how many orders it may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountRoom {
    pub(super) opened: u64,
    /// In units of room.
    pub(super) worth: i64,
    pub(super) open_count_max: usize,
    /// Of the day.
    pub(super) order_count_max: i64,
    /// Of the day.
    pub(super) notional_max: Money,
    pub(super) batch_notional_max: Money,
    pub(super) duplicate_count_max: i64,
    pub(super) is_self_match_refused: bool,
    pub(super) is_message_limited: bool,
    pub(super) quiet: Quiet,
}

/// Counts at which no usage is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    /// Open orders: from the first, and up to the second.
    pub(super) open_count: [usize; 2],
    /// Orders within the window of the rate: the same.
    pub(super) rate_count: [usize; 2],
}

/// All lanes of a gate.
#[derive(Debug)]
pub(super) struct Lanes {
    /// What a lane must carry to be open; a new number closes all of them.
    pub(super) opened: u64,
    pub(super) account: AccountRoom,
    pub(super) instruments: Box<[Lane]>,
    /// By strategy, over all instruments.
    pub(super) rows: Box<[RowRoom]>,
    /// By strategy and instrument.
    pub(super) pairs: Box<[PairRoom]>,
    /// Every order is judged by the rules: what lanes are compared with.
    #[cfg(test)]
    pub(super) is_off: bool,
    /// How many orders passed in a lane.
    #[cfg(test)]
    pub(super) passed_count: u64,
}

/// An order that passed.
struct Passed {
    notional: i128,
    /// With what came before: of the batch, and of the day.
    sums: [i128; 2],
    /// The most that it can add to what is worth anything, in units of room.
    most: i64,
    /// [`Same::NOTHING`] where nothing is throttled.
    same: Same,
}

/// Nothing is said: the rules judge.
#[inline(always)]
fn only_if(is_sure: bool) -> Option<()> {
    if is_sure { Some(()) } else { None }
}

/// Most that an order can add to what an instrument is worth, now and as long as the mark stays near its anchor, in
/// units of room; `None` when nobody can tell within 64 bits. `product` is price times quantity.
#[inline(always)]
pub(super) fn most(unit: i64, mark_twice: i64, quantity: i64, product: i64) -> Option<i64> {
    let twice = mark_twice.checked_mul(quantity)?.max(product.checked_mul(2)?);
    let worth = wide(twice, unit) >> 1;
    // Two more than what is rounded down are more than all rounding.
    i64::try_from((worth + (worth >> DRIFT_SHIFT)) >> ROOM_SHIFT).ok()?.checked_add(2)
}

impl Lane {
    /// Form, tick, lot and size; returns price times quantity.
    #[inline(always)]
    fn fits(&self, event: &Event, side: Side) -> Option<i64> {
        let (fixed, price, quantity) = (&self.fixed, event.price, event.quantity);
        only_if(holds(fixed.band.prices[side.index()], price))?;
        let quantity_most = fixed.quantity_max.min(self.room.quantity[side.index()]);
        only_if(holds([1, quantity_most], quantity))?;
        only_if(fixed.tick.divides(price) && fixed.lot.divides(quantity))?;
        let product = price.checked_mul(quantity)?;
        only_if(holds(fixed.products, product))?;
        Some(product)
    }

    /// A live and fresh reference near its anchor, and a market that makes sense. The price is within its band.
    #[inline(always)]
    fn is_near(
        &self,
        event: &Event,
        side: Side,
        own: &InstrumentMarket,
        span: Option<Span>,
    ) -> Option<()> {
        let fixed = &self.fixed;
        only_if(own.state == BookState::Live)?;
        only_if(event.time_ns.saturating_sub(own.heard_ns) <= fixed.reference_age_ns_max)?;
        let spread = own.top.ask_price.saturating_sub(own.top.bid_price);
        only_if(spread <= fixed.band.spread_max)?;
        // 0 before the first trade.
        let is_near_trade = holds(fixed.band.trades[side.index()], own.trade_price);
        only_if(is_near_trade || own.trade_price == 0)?;
        if let Some(Span { low_twice, high_twice }) = span {
            only_if(fixed.band.span[0] <= low_twice && high_twice <= fixed.band.span[1])?;
        }
        Some(())
    }
}

impl Gate {
    /// Lets an order pass that a lane has room for. Where there is none, what was looked up on the way is looked
    /// up once more by the rules, with the same result.
    #[inline(always)]
    pub(super) fn by_lane(
        &mut self,
        event: &Event,
        market: &Market,
        out: &mut Emitter<'_>,
    ) -> bool {
        #[cfg(test)]
        if self.lanes.is_off {
            return false;
        }
        // An id names something that the order belongs to.
        let is_plain = event.kind == Kind::INTENT
            && event.flags & (flags::OPERATOR | flags::REDUCE_ONLY) == 0
            && event.id == 0;
        let lane = self.lanes.instruments.get(usize::from(event.instrument));
        let is_open = lane.is_some_and(|lane| lane.opened == self.lanes.opened);
        if !is_plain || !is_open || self.advance_near(event.time_ns, market).is_none() {
            return false;
        }
        self.watch(out);
        let side = event.side();
        let Some(passed) = self.has_room(event, side, market) else { return false };
        #[cfg(test)]
        {
            self.lanes.passed_count += 1;
        }
        self.approve_passed(event, side, &passed, out);
        true
    }

    #[inline(always)]
    fn has_room(&mut self, event: &Event, side: Side, market: &Market) -> Option<Passed> {
        let lane = self.lanes.instruments.get(usize::from(event.instrument))?;
        // A new day or a breach may have closed it just now.
        let (account, opened) = (&self.lanes.account, self.lanes.opened);
        only_if(lane.opened == opened && account.opened == opened)?;
        let [from_ns, until_ns] = lane.room.open_ns;
        only_if(from_ns <= event.time_ns && event.time_ns < until_ns)?;
        OrderTerms::from_code(event.code)?;
        let same = self.is_single(event, side)?;
        let product = lane.fits(event, side)?;
        let own = market.get(event.instrument)?;
        let mid_twice = mid_twice(own)?;
        let entry = self.sheet.see(event.instrument, mid_twice)?;
        only_if(entry.is_near_anchor())?;
        let window = self.windows.get_mut(usize::from(event.instrument));
        let span = window.map(|window| window.see(event.time_ns, mid_twice));
        lane.is_near(event, side, own, span)?;
        let most = most(lane.fixed.unit, mid_twice, event.quantity, product)?;
        only_if(most <= lane.room.worth[side.index()].min(account.worth))?;
        self.has_row_room(event, side, most)?;
        let notional = wide(product, lane.fixed.unit);
        let sums = self.is_slow_enough(event, notional)?;
        Some(Passed { notional, sums, most, same })
    }

    /// Room of the strategy itself, and how many and how often.
    #[inline(always)]
    fn has_row_room(&self, event: &Event, side: Side, most: i64) -> Option<()> {
        let row = usize::from(event.source);
        let room = self.lanes.rows.get(row)?;
        if !self.has_row_limits {
            return Some(());
        }
        let pair = self.lanes.pairs.get(self.lanes.pair_index(row, event.instrument))?;
        only_if(room.opened == self.lanes.opened && pair.opened == self.lanes.opened)?;
        only_if(most <= pair.worth[side.index()].min(room.worth))?;
        only_if(event.quantity <= pair.quantity[side.index()])?;
        let own = self.rows.get(row)?;
        only_if(own.open_count < room.open_count_max)?;
        only_if(!room.is_rate_limited || own.rate.has_room(event.time_ns))
    }

    /// No own order to trade with, and not the same order too often.
    #[inline(always)]
    fn is_single(&self, event: &Event, side: Side) -> Option<Same> {
        let account = &self.lanes.account;
        if account.is_self_match_refused {
            only_if(!self.orders.may_match(event.instrument, side, event.price))?;
        }
        if account.duplicate_count_max == UNLIMITED {
            return Some(Same::NOTHING);
        }
        let same = self.duplicates.find(throttle::key_of(event));
        only_if(self.duplicates.count_of(&same, event.time_ns) < account.duplicate_count_max)?;
        Some(same)
    }

    /// How many and how often. Returns the notional of the batch and of the day with the order.
    #[inline(always)]
    fn is_slow_enough(&self, event: &Event, notional: i128) -> Option<[i128; 2]> {
        let account = &self.lanes.account;
        only_if(self.orders.count() < account.open_count_max)?;
        only_if(self.rate.has_room(event.time_ns))?;
        only_if(!account.is_message_limited || self.messages.has_room(event.time_ns))?;
        only_if(self.daily.order_count < account.order_count_max)?;
        let batch = self.batch.notional.0.checked_add(notional)?;
        let day = self.daily.notional.0.checked_add(notional)?;
        only_if(batch <= account.batch_notional_max.0 && day <= account.notional_max.0)?;
        Some([batch, day])
    }

    /// Approves it, with everything that follows from an approval by the rules. By itself, so that it has all
    /// registers.
    #[inline(never)]
    fn approve_passed(
        &mut self,
        event: &Event,
        side: Side,
        passed: &Passed,
        out: &mut Emitter<'_>,
    ) {
        let sequence = out.emit_as(Kind::APPROVED, event);
        let order = Order {
            id: sequence,
            instrument: event.instrument,
            source: event.source,
            side,
            price: event.price,
            leaves: event.quantity,
            ..Order::FREE
        };
        if self.orders.push_unbound(order).is_err() {
            self.halt_without_room(out);
            return;
        }
        self.orders.touch(&order);
        self.use_room(event, side, passed);
        self.rate.push(event.time_ns);
        self.messages.push(event.time_ns);
        self.duplicates.push_at(&passed.same, event.time_ns);
        [self.batch.notional, self.daily.notional] = passed.sums.map(Money);
        self.daily.order_count = self.daily.order_count.saturating_add(1);
        if !self.is_quiet(event.time_ns) {
            self.tell_counts(event.time_ns, out);
        }
    }

    /// Holds back what the order needs, and takes it out of the room that there was.
    #[inline(always)]
    fn use_room(&mut self, event: &Event, side: Side, passed: &Passed) {
        let (quantity, notional) = (event.quantity, passed.notional);
        let (row, instrument) = (usize::from(event.source), event.instrument);
        self.sheet.reserve_new(instrument, side, quantity, notional, event.price);
        if let Some(own) = self.rows.get_mut(row) {
            own.open_count += 1;
            own.sheet.reserve_new(instrument, side, quantity, notional, event.price);
            own.rate.push(event.time_ns);
        }
        self.lanes.take(event, side, passed.most);
        if self.has_row_limits {
            self.lanes.take_of_row(row, event, side, passed.most);
        }
    }

    /// Whether no usage of open orders and of the rate is to be told.
    #[inline(always)]
    fn is_quiet(&self, time_ns: u64) -> bool {
        let Quiet { open_count: [from, until], rate_count: [least, most] } =
            self.lanes.account.quiet;
        let open_count = self.orders.count();
        let is_less = !self.rate.reaches(most, time_ns);
        let is_more = least == 0 || self.rate.reaches(least, time_ns);
        from <= open_count && open_count < until && is_less && is_more
    }

    /// Thresholds are others afterwards, and lanes do not know of them.
    #[cold]
    fn tell_counts(&mut self, time_ns: u64, out: &mut Emitter<'_>) {
        let open_count = i128::try_from(self.orders.count()).unwrap_or(i128::MAX);
        self.usage.see(Of::OrdersOpen, open_count, out);
        self.watch_rate(time_ns, out);
        self.lanes.close();
    }
}

impl Lanes {
    /// Closes every lane.
    #[inline]
    pub(super) fn close(&mut self) {
        self.opened += 1;
    }

    #[inline(always)]
    pub(super) fn pair_index(&self, row: usize, instrument: u16) -> usize {
        row * self.instruments.len() + usize::from(instrument)
    }

    /// Takes an order out of the rooms that it passed in.
    #[inline(always)]
    fn take(&mut self, event: &Event, side: Side, most: i64) {
        self.account.worth -= most;
        if let Some(lane) = self.instruments.get_mut(usize::from(event.instrument)) {
            lane.room.quantity[side.index()] -= event.quantity;
            lane.room.worth[side.index()] -= most;
        }
    }

    #[inline(always)]
    fn take_of_row(&mut self, row: usize, event: &Event, side: Side, most: i64) {
        let index = self.pair_index(row, event.instrument);
        if let Some(room) = self.rows.get_mut(row) {
            room.worth -= most;
        }
        if let Some(pair) = self.pairs.get_mut(index) {
            pair.quantity[side.index()] -= event.quantity;
            pair.worth[side.index()] -= most;
        }
    }
}
