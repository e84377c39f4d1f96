//! The verdict on one intent. The order of the rules is the order of the code and of [`Rule::ALL`].

use crate::event::{BookState, BreakerState, Event, Kind, OrderTerms, Side, flags};
use crate::instrument::Instrument;
use crate::market::Market;
use crate::money::Money;

use super::exposure::{Entry, Reservation, mid_twice};
use super::limits::{AccountLimits, InstrumentLimits};
use super::orders::{Order, Place};
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
}

/// What the exposure rules look at.
struct Step<'a> {
    entry: &'a Entry,
    side: Side,
    /// What the order adds to the working quantity of its side, the old terms taken out.
    quantity: i128,
    /// The same in notional.
    notional: i128,
}

/// The nearest 64-bit value.
#[inline]
pub(super) fn clamped(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn at_most(rule: Rule, measured: i64, limit: i64) -> Result<(), Refusal> {
    if measured <= limit { Ok(()) } else { Err(Refusal { rule, measured, limit }) }
}

fn money_at_most(rule: Rule, measured: Money, limit: Money) -> Result<(), Refusal> {
    if measured <= limit { Ok(()) } else { Err(Refusal::money(rule, measured, limit)) }
}

fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Gate {
    /// Judges a new order or a change. Changes nothing.
    pub(super) fn judge(&self, event: &Event, market: &Market) -> Result<Wanted, Refusal> {
        let index = usize::from(event.instrument);
        // The row behind the strategies is the operator's own.
        let known = self.strategy_count + usize::from(event.has(flags::OPERATOR));
        if known <= usize::from(event.source) {
            let measured = i64::from(event.source);
            return Err(Refusal { rule: Rule::UnknownStrategy, measured, limit: count(known) });
        }
        let (Some(instrument), Some(entry)) =
            (self.instruments.get(event.instrument), self.entries.get(index))
        else {
            let limit = count(self.entries.len());
            let measured = i64::from(event.instrument);
            return Err(Refusal { rule: Rule::UnknownInstrument, measured, limit });
        };
        let (Some(Some(limits)), Some(account)) =
            (self.limits.instruments.get(index), &self.limits.account)
        else {
            let measured = i64::from(event.instrument);
            return Err(Refusal { rule: Rule::NotConfigured, measured, limit: 0 });
        };
        well_formed(event)?;
        let wanted = self.wanted(event)?;
        let before = match wanted.place {
            Some(place) => self.held(self.orders.get(place)),
            None => Reservation::default(),
        };
        let after = wanted.order.reservation(entry);
        let step = Step {
            entry,
            side: wanted.order.side,
            quantity: i128::from(after.quantity) - i128::from(before.quantity),
            notional: after.notional - before.notional,
        };
        let closes = event.has(flags::OPERATOR) && event.has(flags::REDUCE_ONLY);
        let breaker = self.breakers.strictest(instrument.venue, event.source, event.instrument);
        self.permitted(&wanted, &step, limits, if closes { None } else { Some(breaker) })?;
        acceptable_at_venue(event, instrument)?;
        order_size(event, instrument, limits)?;
        near_the_market(event, wanted.order.side, market, limits)?;
        self.position(&step, index, limits, account)?;
        if !closes {
            self.pace(event, account)?;
        }
        if self.is_locked(instrument.venue) {
            return Err(Refusal { rule: Rule::VenueLocked, measured: 1, limit: 0 });
        }
        Ok(wanted)
    }

    /// The order as it would work.
    fn wanted(&self, event: &Event) -> Result<Wanted, Refusal> {
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
            return Ok(Wanted { order, place: None });
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
        let order = Order {
            price: event.price,
            leaves,
            reduce_only: order.reduce_only || event.has(flags::REDUCE_ONLY),
            ..*order
        };
        Ok(Wanted { order, place: Some(place) })
    }

    /// Breakers, state of the gate, reduce-only, restricted list. Without a `breaker` it is the control
    /// stage that closes: nothing but a flip stops that.
    fn permitted(
        &self,
        wanted: &Wanted,
        step: &Step<'_>,
        limits: &InstrumentLimits,
        breaker: Option<BreakerState>,
    ) -> Result<(), Refusal> {
        let leaves = wanted.order.leaves;
        let reach = step.entry.reach(step.side, step.quantity);
        // What of this order would not open a position: all of it, less what reaches beyond zero.
        let room = clamped(i128::from(leaves).saturating_sub(reach)).max(0);
        let Some(breaker) = breaker else { return at_most(Rule::ReduceOnly, leaves, room) };
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
        if wanted.order.reduce_only {
            at_most(Rule::ReduceOnly, leaves, room)?;
        }
        if limits.restricted {
            at_most(Rule::Restricted, leaves, room)?;
        }
        Ok(())
    }

    /// Position and gross, projected: every working order and this one fill. What does not add to an
    /// exposure is not refused for it, so that a position above its limit can be brought down.
    fn position(
        &self,
        step: &Step<'_>,
        index: usize,
        limits: &InstrumentLimits,
        account: &AccountLimits,
    ) -> Result<(), Refusal> {
        let Step { entry, side, quantity, notional } = *step;
        let (reach_before, reach) = (entry.reach(side, 0), entry.reach(side, quantity));
        if reach_before < reach {
            at_most(Rule::PositionQuantity, clamped(reach), limits.position_quantity_max)?;
        }
        let value_before = entry.reach_value(side, 0, 0);
        let value = entry.reach_value(side, quantity, notional);
        // A value that is saturated on both sides of the comparison is unknown, not unchanged.
        if value_before < value || value == Money::MAX {
            money_at_most(Rule::PositionNotional, value, limits.position_notional_max)?;
        }
        // Judged by the side that grows, also in the shade of a larger other side: the orders over
        // there may never work, and what they covered would then stand above the limit.
        if value_before < value || value == Money::MAX {
            let gross = value.max(entry.reach_value(side.opposite(), 0, 0));
            let total = self.gross_without(Some(index)).plus(gross);
            money_at_most(Rule::GrossNotional, total, account.gross_notional_max)?;
        }
        Ok(())
    }

    /// Gross notional of all instruments but one.
    pub(super) fn gross_without(&self, index: Option<usize>) -> Money {
        self.entries
            .iter()
            .enumerate()
            .filter(|(other, entry)| Some(*other) != index && entry.is_active())
            .fold(Money::ZERO, |sum, (_, entry)| sum.plus(entry.gross()))
    }

    /// Open orders and order rate, last, because only an order that is sent counts.
    fn pace(&self, event: &Event, account: &AccountLimits) -> Result<(), Refusal> {
        if event.kind != Kind::INTENT_REPLACE {
            let open_count = count(self.orders.count() + 1);
            at_most(Rule::OrdersOpen, open_count, i64::from(account.orders_open_max))?;
        }
        if !self.rate.has_room(event.time_ns) {
            let limit = count(self.rate.count_max());
            return Err(Refusal {
                rule: Rule::OrderRate,
                measured: limit.saturating_add(1),
                limit,
            });
        }
        Ok(())
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

/// Tick, lot and minimum notional.
fn acceptable_at_venue(event: &Event, instrument: &Instrument) -> Result<(), Refusal> {
    if event.price % instrument.tick != 0 {
        let (measured, limit) = (event.price, instrument.tick);
        return Err(Refusal { rule: Rule::OffTick, measured, limit });
    }
    if event.quantity % instrument.lot != 0 {
        let (measured, limit) = (event.quantity, instrument.lot);
        return Err(Refusal { rule: Rule::OffLot, measured, limit });
    }
    let notional = instrument.notional(event.price, event.quantity);
    if notional < instrument.notional_min {
        return Err(Refusal::money(Rule::NotionalMin, notional, instrument.notional_min));
    }
    Ok(())
}

/// Size of the whole order, what has traded of it included.
fn order_size(
    event: &Event,
    instrument: &Instrument,
    limits: &InstrumentLimits,
) -> Result<(), Refusal> {
    at_most(Rule::OrderQuantity, event.quantity, limits.order_quantity_max)?;
    let notional = instrument.notional(event.price, event.quantity);
    money_at_most(Rule::OrderNotional, notional, limits.order_notional_max)
}

/// A live, fresh reference and a price near it.
fn near_the_market(
    event: &Event,
    side: Side,
    market: &Market,
    limits: &InstrumentLimits,
) -> Result<(), Refusal> {
    let live = BookState::Live.code();
    let market = market.get(event.instrument);
    let state = market.map_or(0, |market| market.state.code());
    let reference = market
        .filter(|_| state == live)
        .and_then(|market| Some((market.heard_ns, mid_twice(market)?)));
    let Some((heard_ns, mid_twice)) = reference else {
        let (measured, limit) = (i64::from(state), i64::from(live));
        return Err(Refusal { rule: Rule::NoReference, measured, limit });
    };
    let age_ns = event.time_ns.saturating_sub(heard_ns);
    if limits.reference_age_ns_max < age_ns {
        let measured = clamped(i128::from(age_ns));
        let limit = clamped(i128::from(limits.reference_age_ns_max));
        return Err(Refusal { rule: Rule::StaleReference, measured, limit });
    }
    // Both are below 2^65, so nothing here can leave 128 bits. Above zero: towards the market, and
    // through it; the distance in 1e-4 is compared as a product, so that nothing is rounded.
    let through = (2 * i128::from(event.price) - mid_twice) * i128::from(side.sign());
    let limit = if 0 < through { limits.collar_bps } else { limits.passive_bps };
    let distance = through.abs() * 10_000;
    if i128::from(limit) * mid_twice < distance {
        let measured = distance.div_euclid(mid_twice) + i128::from(distance % mid_twice != 0);
        return Err(Refusal { rule: Rule::Collar, measured: clamped(measured), limit });
    }
    Ok(())
}
