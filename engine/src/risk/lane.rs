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
//! ([`drift`](super::exposure::drift)), so that a mark that moves a little costs one product and no valuation.

use crate::event::{BookState, Event, Kind, OrderTerms, Side, flags};
use crate::market::{InstrumentMarket, Market};
use crate::money::Money;
use crate::ring::Emitter;

use super::exposure::{Entry, ORDER_NOTIONAL_CAP, drift, mid_twice, wide};
use super::limit_key::{LimitKey, LimitTable, UNLIMITED};
use super::limits::InstrumentLimits;
use super::multiple::Multiple;
use super::orders::Order;
use super::throttle::{self, Same};
use super::usage::{Of, Tracker};
use super::window::Span;
use super::{Gate, RiskState};

/// Prices and marks up to this have products with 1e4 within 64 bits, also doubled.
const PRICE_MAX: i64 = i64::MAX / 40_000;
/// More of a price than any price is away from it.
const ALL_BPS: i64 = 10_000;

/// Room of one instrument, over all strategies, with its limits where the lane needs them.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// [`Lanes::opened`] of when it was opened.
    pub(super) opened: u64,
    /// Trading hours: open from, and up to.
    pub(super) open_ns: [u64; 2],
    /// By side, in quantity units.
    pub(super) quantity_room: [i64; 2],
    /// By side, in units of 10^-12.
    pub(super) worth_room: [i128; 2],
    pub(super) quantity_max: i64,
    pub(super) notional_min: i128,
    pub(super) notional_max: i128,
    pub(super) unit: i64,
    pub(super) tick: Multiple,
    pub(super) lot: Multiple,
    pub(super) reference_age_ns_max: u64,
    pub(super) collar_bps: i64,
    pub(super) passive_bps: i64,
    pub(super) spread_bps: i64,
    pub(super) trade_bps: i64,
    pub(super) jump_bps: i64,
    pub(super) window_bps: i64,
}

/// Room of one strategy in one instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowRoom {
    pub(super) opened: u64,
    /// By side, in units of 10^-12.
    pub(super) worth: [i128; 2],
}

/// Room over all instruments, of the account or of one strategy.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrossRoom {
    pub(super) opened: u64,
    /// In units of 10^-12.
    pub(super) worth: i128,
}

/// All lanes of a gate.
#[derive(Debug)]
pub(super) struct Lanes {
    /// What a lane must carry to be open; a new number closes all of them.
    pub(super) opened: u64,
    /// Over all instruments.
    pub(super) gross: GrossRoom,
    pub(super) instruments: Box<[Lane]>,
    /// By strategy, over all instruments.
    pub(super) rows_gross: Box<[GrossRoom]>,
    /// By strategy and instrument.
    pub(super) rows: Box<[RowRoom]>,
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
    /// The most that it can add to what is worth anything.
    most: i128,
    row_most: i128,
    /// [`Same::NOTHING`] where nothing is throttled.
    same: Same,
}

/// Nothing is said: the rules judge.
#[inline(always)]
fn only_if(is_sure: bool) -> Option<()> {
    if is_sure { Some(()) } else { None }
}

/// `beyond` is within `limit_bps` 1e-4 of a price, both doubled.
#[inline(always)]
fn is_within(beyond: i64, price_twice: i64, limit_bps: i64) -> bool {
    beyond * ALL_BPS <= limit_bps * price_twice
}

impl Lanes {
    pub(super) fn new(instrument_count: usize, strategy_count: usize) -> Lanes {
        let lane = Lane {
            opened: 0,
            open_ns: [0; 2],
            quantity_room: [0; 2],
            worth_room: [0; 2],
            quantity_max: 0,
            notional_min: 0,
            notional_max: 0,
            unit: 0,
            tick: Multiple::new(1),
            lot: Multiple::new(1),
            reference_age_ns_max: 0,
            collar_bps: 0,
            passive_bps: 0,
            spread_bps: 0,
            trade_bps: 0,
            jump_bps: 0,
            window_bps: 0,
        };
        let gross = GrossRoom { opened: 0, worth: 0 };
        let row = RowRoom { opened: 0, worth: [0; 2] };
        Lanes {
            opened: 1,
            gross,
            instruments: vec![lane; instrument_count].into_boxed_slice(),
            rows_gross: vec![gross; strategy_count].into_boxed_slice(),
            rows: vec![row; strategy_count * instrument_count].into_boxed_slice(),
            #[cfg(test)]
            is_off: false,
            #[cfg(test)]
            passed_count: 0,
        }
    }

    /// Closes every lane.
    #[inline]
    pub(super) fn close(&mut self) {
        self.opened += 1;
    }

    #[inline(always)]
    pub(super) fn row_index(&self, row: usize, instrument: usize) -> usize {
        row * self.instruments.len() + instrument
    }
}

impl Lane {
    /// Form, tick, lot and size; returns the notional.
    #[inline(always)]
    fn fits(&self, event: &Event) -> Option<i128> {
        let (price, quantity) = (event.price, event.quantity);
        only_if((1..=PRICE_MAX).contains(&price) && 1 <= quantity)?;
        only_if(quantity <= self.quantity_max)?;
        only_if(self.tick.divides(price) && self.lot.divides(quantity))?;
        let notional = wide(price.checked_mul(quantity)?, self.unit);
        only_if(self.notional_min <= notional && notional <= self.notional_max)?;
        Some(notional)
    }

    /// A live and fresh reference, a market that makes sense, a price near every reference.
    #[inline(always)]
    fn is_near(
        &self,
        event: &Event,
        own: &InstrumentMarket,
        mid_twice: i64,
        span: Option<Span>,
    ) -> Option<()> {
        only_if(own.state == BookState::Live && mid_twice <= PRICE_MAX)?;
        only_if(event.time_ns.saturating_sub(own.heard_ns) <= self.reference_age_ns_max)?;
        let (side, price_twice) = (event.side(), 2 * event.price);
        let toward = |other_twice: i64| match side {
            Side::Buy => price_twice - other_twice,
            Side::Sell => other_twice - price_twice,
        };
        let through = toward(mid_twice);
        let collar_bps = if 0 < through { self.collar_bps } else { self.passive_bps };
        only_if(is_within(through.abs(), mid_twice, collar_bps))?;
        if self.spread_bps != UNLIMITED {
            only_if(0 < own.top.bid_price)?;
            let spread = own.top.ask_price - own.top.bid_price;
            only_if(is_within(2 * spread, mid_twice, self.spread_bps))?;
        }
        if self.trade_bps != UNLIMITED && 0 < own.trade_price {
            only_if(own.trade_price <= PRICE_MAX)?;
            let trade_twice = 2 * own.trade_price;
            only_if(is_within(toward(trade_twice), trade_twice, self.trade_bps))?;
        }
        if let Some(Span { low_twice, high_twice }) = span {
            // The mid is within the span.
            only_if(high_twice <= PRICE_MAX)?;
            let jump = (high_twice - mid_twice).max(mid_twice - low_twice);
            only_if(is_within(jump, mid_twice, self.jump_bps))?;
            let other_twice = if side == Side::Buy { high_twice } else { low_twice };
            only_if(is_within(toward(other_twice), other_twice, self.window_bps))?;
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
        let Some(passed) = self.has_room(event, market) else { return false };
        #[cfg(test)]
        {
            self.lanes.passed_count += 1;
        }
        self.approve_passed(event, &passed, out);
        true
    }

    #[inline(always)]
    fn has_room(&mut self, event: &Event, market: &Market) -> Option<Passed> {
        let (row, side) = (usize::from(event.source), event.side().index());
        let lane = self.lanes.instruments.get(usize::from(event.instrument))?;
        // A new day or a breach may have closed it just now.
        only_if(lane.opened == self.lanes.opened)?;
        let [from_ns, until_ns] = lane.open_ns;
        only_if(from_ns <= event.time_ns && event.time_ns < until_ns)?;
        OrderTerms::from_code(event.code)?;
        let notional = lane.fits(event)?;
        let own = market.get(event.instrument)?;
        let mid_twice = mid_twice(own)?;
        self.sheet.see(event.instrument, mid_twice);
        let window = self.windows.get_mut(usize::from(event.instrument));
        let span = window.map(|window| window.see(event.time_ns, i128::from(mid_twice)));
        lane.is_near(event, own, mid_twice, span)?;
        only_if(event.quantity <= lane.quantity_room[side])?;
        let most =
            self.sheet.get(event.instrument)?.most(event.side(), event.quantity, notional)?;
        only_if(most <= lane.worth_room[side].min(self.lanes.gross.worth))?;
        only_if(self.lanes.gross.opened == self.lanes.opened)?;
        let row_most =
            if self.has_row_limits { self.has_row_room(event, row, notional)? } else { most };
        only_if(row < self.strategy_count)?;
        let same = self.is_single(event)?;
        self.is_slow_enough(event, row, notional)?;
        Some(Passed { notional, most, row_most, same })
    }

    /// Room of the strategy itself.
    #[inline(always)]
    fn has_row_room(&self, event: &Event, row: usize, notional: i128) -> Option<i128> {
        let side = event.side();
        let index = self.lanes.row_index(row, usize::from(event.instrument));
        let (own, gross) = (self.lanes.rows.get(index)?, self.lanes.rows_gross.get(row)?);
        only_if(own.opened == self.lanes.opened && gross.opened == self.lanes.opened)?;
        let entry = self.rows.get(row)?.sheet.get(event.instrument)?;
        let most = entry.most(side, event.quantity, notional)?;
        only_if(most <= own.worth[side.index()].min(gross.worth))?;
        Some(most)
    }

    /// No own order to trade with, and not the same order too often.
    #[inline(always)]
    fn is_single(&self, event: &Event) -> Option<Same> {
        let controls = &self.limits.controls;
        if controls.self_match {
            only_if(!self.orders.may_match(event.instrument, event.side(), event.price))?;
        }
        let limit = controls.limits.get(LimitKey::Duplicate);
        if limit == UNLIMITED {
            return Some(Same::NOTHING);
        }
        let same = self.duplicates.find(throttle::key_of(event));
        only_if(self.duplicates.count_of(&same, event.time_ns) < limit)?;
        Some(same)
    }

    /// How many and how often.
    #[inline(always)]
    fn is_slow_enough(&self, event: &Event, row: usize, notional: i128) -> Option<()> {
        let limits = &self.limits.controls.limits;
        let open_count = i64::try_from(self.orders.count()).ok()?;
        only_if(open_count < i64::from(self.limits.account.as_ref()?.orders_open_max))?;
        only_if(self.rate.has_room(event.time_ns))?;
        if limits.get(LimitKey::MessageRate) != UNLIMITED {
            only_if(self.messages.has_room(event.time_ns))?;
        }
        only_if(self.daily.order_count < limits.get(LimitKey::OrdersDaily))?;
        if let Some(limit) = limits.money(LimitKey::NotionalDaily) {
            only_if(self.daily.notional.0.checked_add(notional)? <= limit.0)?;
        }
        if let Some(limit) = limits.money(LimitKey::BatchNotional) {
            only_if(self.batch.notional.0.checked_add(notional)? <= limit.0)?;
        }
        if self.has_row_limits {
            let limits = &self.limits.controls.strategies.get(row)?.limits;
            let own = self.rows.get(row)?;
            only_if(own.open_count < limits.get(LimitKey::StrategyOrdersOpen))?;
            if limits.get(LimitKey::StrategyOrderRate) != UNLIMITED {
                only_if(own.rate.has_room(event.time_ns))?;
            }
        }
        Some(())
    }

    /// Approves it, with everything that follows from an approval by the rules.
    #[inline(always)]
    fn approve_passed(&mut self, event: &Event, passed: &Passed, out: &mut Emitter<'_>) {
        let sequence = out.emit_as(Kind::APPROVED, event);
        let order = Order {
            id: sequence,
            instrument: event.instrument,
            source: event.source,
            side: event.side(),
            price: event.price,
            leaves: event.quantity,
            ..Order::FREE
        };
        if self.orders.push_unbound(order).is_err() {
            self.halt_without_room(out);
            return;
        }
        self.orders.touch(&order);
        self.use_room(event, passed);
        self.rate.push(event.time_ns);
        self.messages.push(event.time_ns);
        if passed.same != Same::NOTHING {
            self.duplicates.push_at(&passed.same, event.time_ns);
        }
        if self.has_row_limits
            && let Some(own) = self.rows.get_mut(usize::from(event.source))
        {
            own.rate.push(event.time_ns);
        }
        self.batch.notional = self.batch.notional.plus(Money(passed.notional));
        self.daily.notional = self.daily.notional.plus(Money(passed.notional));
        self.daily.order_count = self.daily.order_count.saturating_add(1);
        if self.usage.is_on() {
            let open_count = i128::try_from(self.orders.count()).unwrap_or(i128::MAX);
            self.usage.see(Of::OrdersOpen, open_count, out);
            self.watch_rate(event.time_ns, out);
        }
    }

    /// Holds back what the order needs, and takes it out of the room that there was.
    #[inline(always)]
    fn use_room(&mut self, event: &Event, passed: &Passed) {
        let (side, quantity, notional) = (event.side(), event.quantity, passed.notional);
        let (row, index) = (usize::from(event.source), usize::from(event.instrument));
        self.sheet.reserve_new(event.instrument, side, quantity, notional, event.price);
        if let Some(own) = self.rows.get_mut(row) {
            own.open_count += 1;
            own.sheet.reserve_new(event.instrument, side, quantity, notional, event.price);
        }
        self.lanes.gross.worth -= passed.most;
        if let Some(lane) = self.lanes.instruments.get_mut(index) {
            lane.quantity_room[side.index()] -= quantity;
            lane.worth_room[side.index()] -= passed.most;
        }
        if self.has_row_limits {
            let place = self.lanes.row_index(row, index);
            if let Some(room) = self.lanes.rows.get_mut(place) {
                room.worth[side.index()] -= passed.row_most;
            }
            if let Some(room) = self.lanes.rows_gross.get_mut(row) {
                room.worth -= passed.row_most;
            }
        }
    }
}

/// Below which usage nothing is told; `None` when a threshold is passed already, and could be left.
fn quiet_below(tracker: Option<&Tracker>) -> Option<i128> {
    let Some(tracker) = tracker else { return Some(i128::MAX) };
    let (rise_at, fall_below) = tracker.bounds();
    if fall_below == i128::MIN { Some(rise_at) } else { None }
}

/// What is left of a limit when `used` of it may drift by as much as `gross` can. Less than is left: no threshold
/// that is as large as the limit is reached either.
fn room(limit: i128, used: i128, gross: i128) -> i128 {
    limit.saturating_sub(used).saturating_sub(drift(gross))
}

fn narrow(value: i128) -> i64 {
    super::judge::clamped(value)
}

impl Gate {
    /// Works out how much room is left after the rules have let a new order pass. Everything has just been valued,
    /// but for that order.
    pub(super) fn open_lane(&mut self, event: &Event) {
        let (row, index) = (usize::from(event.source), usize::from(event.instrument));
        if self.strategy_count <= row {
            return self.lanes.close();
        }
        if !self.sheet.anchor() {
            self.lanes.close();
        }
        let place = self.lanes.row_index(row, index);
        self.lanes.gross.opened = 0;
        self.lanes.rows_gross[row].opened = 0;
        self.lanes.rows[place].opened = 0;
        self.lanes.instruments[index].opened = 0;
        let is_open = self.state == RiskState::Active
            && self.locked_venues == 0
            && self.breakers.are_normal();
        if !is_open {
            return;
        }
        let opened = self.lanes.opened;
        let mark_twice = self.sheet.get(event.instrument).map_or(0, |entry| entry.mark_twice);
        self.sheet.refresh_at(event.instrument, mark_twice);
        self.lanes.gross = match self.gross_room() {
            Some(worth) => GrossRoom { opened, worth },
            None => GrossRoom { opened: 0, worth: 0 },
        };
        if self.has_row_limits && self.open_row(event, mark_twice).is_none() {
            return;
        }
        if let Some(lane) = self.lane_of(event) {
            self.lanes.instruments[index] = lane;
        }
    }

    /// Room of the account over all instruments.
    fn gross_room(&self) -> Option<i128> {
        let gross = self.sheet.gross_known()?;
        let mut limit = self.limits.account.as_ref()?.gross_notional_max.0;
        if let Some(capital) = self.limits.controls.capital {
            // What is lost is no longer there to trade with, and equity drifts as the positions do.
            limit = limit.min(capital.0.saturating_add(self.equity.0).saturating_sub(drift(gross)));
        }
        let quiet = quiet_below(Some(self.usage.account(Of::Gross)))?;
        Some(room(limit.min(quiet), gross, gross))
    }

    /// Room of the strategy, in the instrument and over all.
    fn open_row(&mut self, event: &Event, mark_twice: i64) -> Option<()> {
        let row = usize::from(event.source);
        let own = self.rows.get_mut(row)?;
        only_if(own.latch.is_none() && own.may_trade(event.instrument))?;
        // Where strategies hold against each other the account is flat, and nobody follows the mark. Only fills change
        // that, and they close every lane.
        only_if(own.sheet.is_followed_by(&self.sheet))?;
        own.sheet.refresh_at(event.instrument, mark_twice);
        let gross = own.sheet.gross_known()?;
        let limits = &self.limits.controls.strategies.get(row)?.limits;
        let limit_of = |key| limits.money(key).map_or(i128::MAX, |limit: Money| limit.0);
        let loss_room = room(limit_of(LimitKey::StrategyLossDaily), own.loss().0, gross);
        only_if(0 < loss_room)?;
        let worth =
            side_rooms(limit_of(LimitKey::StrategyPosition), own.sheet.get(event.instrument)?)?;
        let opened = self.lanes.opened;
        let index = self.lanes.row_index(row, usize::from(event.instrument));
        self.lanes.rows[index] = RowRoom { opened, worth };
        let worth = room(limit_of(LimitKey::StrategyGross), gross, gross);
        self.lanes.rows_gross[row] = GrossRoom { opened, worth };
        Some(())
    }

    /// Room of the instrument.
    fn lane_of(&self, event: &Event) -> Option<Lane> {
        let index = usize::from(event.instrument);
        let instrument = self.instruments.get(event.instrument)?;
        let limits = self.limits.instruments.get(index)?.as_ref()?;
        let controls = self.limits.controls.instruments.get(index)?;
        let entry = self.sheet.get(event.instrument)?;
        only_if(!limits.restricted)?;
        let open_ns = match &controls.hours {
            Some(hours) => [event.time_ns, hours.open_until(event.time_ns)?],
            None => [0, u64::MAX],
        };
        let [of_quantity, of_worth] = self.usage.instrument(index);
        let (quiet_quantity, quiet_worth) = (quiet_below(of_quantity)?, quiet_below(of_worth)?);
        // Usage is told of the worse side, whichever the order is of.
        let quiet_room = side_rooms(quiet_worth, entry)?;
        only_if(0 <= quiet_room[0].min(quiet_room[1]))?;
        let most = limits.position_notional_max.0.min(self.shares.get(index)?.0);
        let worth_room = side_rooms(most.min(quiet_worth), entry)?;
        let quantity_most = i128::from(limits.position_quantity_max).min(quiet_quantity - 1);
        let short = i128::from(controls.limits.get(LimitKey::Short));
        let quantity_room = [
            narrow(quantity_most - entry.reach(Side::Buy, 0)),
            narrow(quantity_most.min(short) - entry.reach(Side::Sell, 0)),
        ];
        let [tick, lot] = *self.steps.get(index)?;
        let mut lane = Lane {
            opened: self.lanes.opened,
            open_ns,
            quantity_room,
            worth_room,
            notional_min: instrument.notional_min.0,
            unit: entry.unit(),
            tick,
            lot,
            ..self.lanes.instruments.get(index)?.clone()
        };
        lane.take_limits(limits, &controls.limits);
        Some(lane)
    }
}

/// Room of each side of an instrument within a limit; `None` when nobody can tell what they are worth.
fn side_rooms(limit: i128, entry: &Entry) -> Option<[i128; 2]> {
    let gross = entry.worth.gross();
    only_if(gross != Money::MAX)?;
    Some(entry.worth.sides.map(|side| room(limit, side.0, gross.0)))
}

impl Lane {
    fn take_limits(&mut self, limits: &InstrumentLimits, controls: &LimitTable) {
        let all_at_most = |key| match controls.get(key) {
            UNLIMITED => UNLIMITED,
            bps => bps.min(ALL_BPS),
        };
        self.quantity_max = limits.order_quantity_max;
        self.notional_max = limits.order_notional_max.0.min(ORDER_NOTIONAL_CAP);
        self.reference_age_ns_max = limits.reference_age_ns_max;
        self.collar_bps = limits.collar_bps.min(ALL_BPS);
        self.passive_bps = limits.passive_bps.min(ALL_BPS);
        self.spread_bps = all_at_most(LimitKey::Spread);
        self.trade_bps = all_at_most(LimitKey::CollarTrade);
        // Where the window is kept, a mid that has doubled within it is left to the rules.
        self.jump_bps = controls.get(LimitKey::Jump).min(ALL_BPS);
        self.window_bps = controls.get(LimitKey::CollarWindow).min(ALL_BPS);
    }
}
