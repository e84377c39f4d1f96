//! The verdict on one intent. The order of the rules is the order of the code and of [`Rule::ALL`].

mod exposure;
mod market;
mod pace;
mod parent;

use crate::event::{BreakerState, Event, Kind, OrderTerms, Side, flags};
use crate::instrument::Instrument;
use crate::market::{InstrumentMarket, Market};
use crate::money::Money;
use crate::ring::Emitter;

use super::exposure::{Entry, Reservation, mid_twice};
use super::limit_key::{LimitKey, LimitTable, UNLIMITED};
use super::limits::{AccountLimits, InstrumentLimits};
use super::orders::{Order, Place};
use super::throttle;
use super::window::Span;
use super::{Gate, RiskState, Rule};

/// A rule that failed, with what was measured and what is allowed, in the rule's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) rule: Rule,
    pub(super) measured: i64,
    pub(super) limit: i64,
}

impl Refusal {
    pub(super) fn money(rule: Rule, measured: Money, limit: Money) -> Refusal {
        Refusal { rule, measured: measured.to_event(), limit: limit.to_event() }
    }
}

/// An intent that passed.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The order as it would work: a new one, or the changed one on its new terms.
    pub(super) order: Order,
    /// Where the order to change is kept.
    pub(super) place: Option<Place>,
    /// What the order needs on its new terms.
    pub(super) after: Reservation,
    /// Notional of the whole order.
    pub(super) notional: Money,
    /// What the duplicate throttle knows it by, where there is one.
    pub(super) key: Option<u64>,
    /// Position of the worse side with every working order and this one.
    pub(super) reach: i128,
    /// The same in money.
    pub(super) worth: Money,
    /// Gross notional of the account with it.
    pub(super) gross: Money,
}

/// What the gate has looked up before it judges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Mids of the reference window, where there is one.
    span: Option<Span>,
    /// Best price of the own orders that it would trade with.
    own_match: Option<i64>,
}

/// What is judged.
struct Asked<'a> {
    event: &'a Event,
    instrument: &'a Instrument,
    entry: &'a Entry,
    limits: &'a InstrumentLimits,
    controls: &'a LimitTable,
    account: &'a AccountLimits,
    side: Side,
    /// The control stage closes a position: latches and throttles do not concern it.
    closes: bool,
    /// Notional of the whole order at its own price.
    notional: Money,
    /// What the order adds to the working quantity of its side, the old terms taken out.
    quantity_more: i128,
    /// The same in notional.
    notional_more: i128,
    /// How much of the order would not open a position.
    room: i64,
}

/// The nearest 64-bit value.
#[inline]
pub(super) fn clamped(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[inline]
fn at_most(rule: Rule, measured: i64, limit: i64) -> Result<(), Refusal> {
    if measured <= limit { Ok(()) } else { Err(Refusal { rule, measured, limit }) }
}

#[inline]
fn money_at_most(rule: Rule, measured: Money, limit: Money) -> Result<(), Refusal> {
    if measured <= limit { Ok(()) } else { Err(Refusal::money(rule, measured, limit)) }
}

pub(super) fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Gate {
    /// Looks up what the rules need and what only a change of the gate can tell.
    #[inline]
    pub(super) fn look(&mut self, event: &Event, market: &Market, out: &mut Emitter<'_>) -> Seen {
        if self.has_row_limits {
            let row = self.row(event.source);
            self.refresh_row(row, market);
            self.watch_row(row, market, out);
        }
        let mid_twice = market.get(event.instrument).and_then(mid_twice);
        let window = self.windows.get_mut(usize::from(event.instrument));
        let span = window.zip(mid_twice).map(|(window, mid)| window.see(event.time_ns, mid));
        let own_match = if self.limits.controls.self_match {
            self.orders.own_match(event.instrument, event.side(), event.price)
        } else {
            None
        };
        Seen { span, own_match }
    }

    /// Judges a new order or a change. Changes nothing.
    pub(super) fn judge(
        &self,
        event: &Event,
        market: Option<&InstrumentMarket>,
        seen: &Seen,
    ) -> Result<Wanted, Refusal> {
        let index = usize::from(event.instrument);
        // The row behind the strategies is the operator's own.
        let known = self.strategy_count + usize::from(event.has(flags::OPERATOR));
        if known <= usize::from(event.source) {
            let measured = i64::from(event.source);
            return Err(Refusal { rule: Rule::UnknownStrategy, measured, limit: count(known) });
        }
        let (Some(instrument), Some(entry)) =
            (self.instruments.get(event.instrument), self.sheet.get(event.instrument))
        else {
            let limit = count(self.instruments.count());
            let measured = i64::from(event.instrument);
            return Err(Refusal { rule: Rule::UnknownInstrument, measured, limit });
        };
        let controls = self.limits.controls.instruments.get(index);
        let (Some(Some(limits)), Some(account), Some(controls)) =
            (self.limits.instruments.get(index), &self.limits.account, controls)
        else {
            let measured = i64::from(event.instrument);
            return Err(Refusal { rule: Rule::NotConfigured, measured, limit: 0 });
        };
        well_formed(event)?;
        let (order, place) = self.wanted(event)?;
        let before = match place {
            Some(place) => self.held(self.orders.get(place)),
            None => Reservation::default(),
        };
        let after = order.reservation(entry);
        // Of a new order the reservation is the whole order.
        let notional = match place {
            None => Money(after.notional),
            Some(_) => Money(entry.order_notional(event.price, event.quantity)),
        };
        let quantity_more = i128::from(after.quantity) - i128::from(before.quantity);
        let reach = entry.reach(order.side, quantity_more);
        let asked = Asked {
            event,
            instrument,
            entry,
            limits,
            controls: &controls.limits,
            account,
            side: order.side,
            closes: event.has(flags::OPERATOR) && event.has(flags::REDUCE_ONLY),
            notional,
            quantity_more,
            notional_more: after.notional - before.notional,
            // All of it, less what reaches beyond zero.
            room: clamped(i128::from(order.leaves).saturating_sub(reach)).max(0),
        };
        self.permitted(&asked, &order)?;
        self.acceptable_at_venue(&asked)?;
        order_size(&asked)?;
        market::near(&asked, market)?;
        if !asked.closes {
            market::reasonable(&asked, market, seen.span)?;
        }
        let key = self.own_orders(&asked, seen)?;
        let parent = self.parent_of(&asked, &order)?;
        let (worth, gross) = self.position(&asked)?;
        if !asked.closes {
            self.pace(&asked)?;
        }
        if self.is_locked(instrument.venue) {
            return Err(Refusal { rule: Rule::VenueLocked, measured: 1, limit: 0 });
        }
        let reach = reach.max(entry.reach(order.side.opposite(), 0));
        let order = Order { parent, ..order };
        Ok(Wanted { order, place, after, notional, key, reach, worth, gross })
    }

    /// The order as it would work.
    #[inline]
    fn wanted(&self, event: &Event) -> Result<(Order, Option<Place>), Refusal> {
        if event.kind != Kind::INTENT_REPLACE {
            let order = Order {
                instrument: event.instrument,
                source: event.source,
                side: event.side(),
                reduce_only: event.has(flags::REDUCE_ONLY),
                price: event.price,
                leaves: event.quantity,
                ..Order::FREE
            };
            return Ok((order, None));
        }
        let unknown =
            Refusal { rule: Rule::ReplaceUnknownOrder, measured: event.id.cast_signed(), limit: 0 };
        let place = self.orders.find(event.id).ok_or(unknown)?;
        let order = self.orders.get(place);
        let same = order.source == event.source
            && order.instrument == event.instrument
            && order.side == event.side();
        if !same {
            return Err(unknown);
        }
        if order.change.sequence != 0 {
            let measured = order.change.total;
            return Err(Refusal { rule: Rule::ReplacePending, measured, limit: 0 });
        }
        let leaves = order.leaves_of(event.quantity);
        if leaves == 0 {
            let limit = order.filled.saturating_add(1);
            return Err(Refusal { rule: Rule::MalformedIntent, measured: event.quantity, limit });
        }
        // On the new terms alone: the larger terms are held once it is approved.
        let order = Order {
            price: event.price,
            leaves,
            reduce_only: order.reduce_only || event.has(flags::REDUCE_ONLY),
            ..*order
        };
        Ok((order, Some(place)))
    }

    /// Breakers, state of the gate, reduce-only, restricted list, permissions, latches, hours. Nothing but
    /// a flip stops the control stage from closing.
    #[inline]
    fn permitted(&self, asked: &Asked<'_>, order: &Order) -> Result<(), Refusal> {
        let (event, leaves, room) = (asked.event, order.leaves, asked.room);
        if asked.closes {
            // The position of its strategy, or that of the account: one of them it must close.
            return at_most(Rule::ReduceOnly, leaves, room.max(self.row_room(asked, leaves)));
        }
        let venue = asked.instrument.venue;
        let breaker = self.breakers.strictest(venue, event.source, event.instrument);
        if breaker == BreakerState::Killed {
            let (measured, limit) = (breaker.code(), BreakerState::Normal.code());
            let (measured, limit) = (i64::from(measured), i64::from(limit));
            return Err(Refusal { rule: Rule::Killed, measured, limit });
        }
        if self.state == RiskState::Halted {
            let (measured, limit) = (self.state.code(), RiskState::Active.code());
            let (measured, limit) = (i64::from(measured), i64::from(limit));
            return Err(Refusal { rule: Rule::Halted, measured, limit });
        }
        if breaker == BreakerState::Safe {
            at_most(Rule::Safe, leaves, room)?;
        }
        if self.state == RiskState::Reducing {
            at_most(Rule::Reducing, leaves, room)?;
        }
        if order.reduce_only {
            at_most(Rule::ReduceOnly, leaves, room)?;
        }
        if asked.limits.restricted {
            at_most(Rule::Restricted, leaves, room)?;
        }
        if self.has_row_limits {
            self.row_permits(asked, leaves)?;
        }
        let hours = &self.limits.controls.instruments[usize::from(event.instrument)].hours;
        if let Some(hours) = hours
            && !hours.is_open(event.time_ns)
        {
            at_most(Rule::SessionClosed, leaves, room)?;
        }
        Ok(())
    }

    /// Permissions and latches of the strategy.
    fn row_permits(&self, asked: &Asked<'_>, leaves: i64) -> Result<(), Refusal> {
        let row = &self.rows[self.row(asked.event.source)];
        if !row.may_trade(asked.event.instrument) {
            let measured = i64::from(asked.event.instrument);
            return Err(Refusal { rule: Rule::NotPermitted, measured, limit: 0 });
        }
        match row.latch {
            Some(Rule::StrategyLossDaily) => {
                at_most(Rule::StrategyLatched, leaves, self.row_room(asked, leaves))
            }
            Some(_) => at_most(Rule::StrategyLatched, leaves, 0),
            None => Ok(()),
        }
    }

    /// How much of the order would not open a position of its strategy.
    fn row_room(&self, asked: &Asked<'_>, leaves: i64) -> i64 {
        let sheet = &self.rows[self.row(asked.event.source)].sheet;
        let reach = sheet
            .get(asked.event.instrument)
            .map_or(i128::MAX, |entry| entry.reach(asked.side, asked.quantity_more));
        clamped(i128::from(leaves).saturating_sub(reach)).max(0)
    }

    /// Tick, lot and minimum notional.
    #[inline]
    fn acceptable_at_venue(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let (event, instrument) = (asked.event, asked.instrument);
        let [tick, lot] = self.steps[usize::from(event.instrument)];
        if !tick.divides(event.price) {
            let (measured, limit) = (event.price, instrument.tick);
            return Err(Refusal { rule: Rule::OffTick, measured, limit });
        }
        if !lot.divides(event.quantity) {
            let (measured, limit) = (event.quantity, instrument.lot);
            return Err(Refusal { rule: Rule::OffLot, measured, limit });
        }
        if asked.notional < instrument.notional_min {
            let least = instrument.notional_min;
            return Err(Refusal::money(Rule::NotionalMin, asked.notional, least));
        }
        Ok(())
    }

    /// Orders of our own that it would trade with, or that are the same.
    #[inline]
    fn own_orders(&self, asked: &Asked<'_>, seen: &Seen) -> Result<Option<u64>, Refusal> {
        let controls = &self.limits.controls;
        if asked.closes {
            return Ok(None);
        }
        if let Some(other) = seen.own_match {
            let (measured, limit) = (asked.event.price, other);
            return Err(Refusal { rule: Rule::SelfMatch, measured, limit });
        }
        let limit = controls.limits.get(LimitKey::Duplicate);
        if limit == UNLIMITED || asked.event.kind == Kind::INTENT_REPLACE {
            return Ok(None);
        }
        let key = throttle::key_of(asked.event);
        let known = self.duplicates.count(key, asked.event.time_ns);
        at_most(Rule::DuplicateOrder, known + 1, limit)?;
        Ok(Some(key))
    }
}

/// Terms that exist, quantity and price above zero. Terms of a change are those of its order.
fn well_formed(event: &Event) -> Result<(), Refusal> {
    let malformed = |measured, limit| Err(Refusal { rule: Rule::MalformedIntent, measured, limit });
    if event.kind != Kind::INTENT_REPLACE && OrderTerms::from_code(event.code).is_none() {
        return malformed(i64::from(event.code), 0);
    }
    if event.quantity < 1 {
        return malformed(event.quantity, 1);
    }
    if event.price < 1 {
        return malformed(event.price, 1);
    }
    Ok(())
}

/// Size of the whole order, what has traded of it included.
#[inline]
fn order_size(asked: &Asked<'_>) -> Result<(), Refusal> {
    let limits = asked.limits;
    at_most(Rule::OrderQuantity, asked.event.quantity, limits.order_quantity_max)?;
    money_at_most(Rule::OrderNotional, asked.notional, limits.order_notional_max)
}
