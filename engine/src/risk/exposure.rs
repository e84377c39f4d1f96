//! Exposure of one instrument: position, reservations, cash, and what they are worth.
//!
//! **Invariant:** nothing in here wraps. Products that leave the range become "more than any limit".

use crate::event::Side;
use crate::instrument::Instrument;
use crate::market::InstrumentMarket;
use crate::money::{MONEY_SCALE, Money};

/// Most that the notional of one order counts for. Far above every ceiling, and so far below the end
/// of `i128` that the sum over all order slots cannot reach it: what is reserved can be released exactly.
const ORDER_NOTIONAL_CAP: i128 = i128::MAX >> 32;

/// Most order slots of a gate; with [`ORDER_NOTIONAL_CAP`] it bounds every sum of reservations.
pub(super) const ORDERS_MAX: usize = 1 << 24;

/// Quantity and notional held back for an order. Both are zero or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) quantity: i64,
    /// In units of 10^-12, at most [`ORDER_NOTIONAL_CAP`].
    pub(super) notional: i128,
}

/// The gate's numbers of one instrument.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Units of money per price unit and quantity unit.
    unit: i128,
    /// Net position; long is above zero.
    pub(super) position: i128,
    /// Sum of reserved quantities, by side.
    pub(super) working: [i128; 2],
    /// Sum of reserved notionals, by side.
    pub(super) working_notional: [i128; 2],
    /// What was paid (below zero) and received, fees included.
    pub(super) cash: Money,
    /// Twice the last known mark; 0 when none was ever known.
    pub(super) mark_twice: i128,
}

impl Entry {
    pub(super) fn new(instrument: &Instrument) -> Entry {
        let exponent = u32::from(MONEY_SCALE - instrument.price_scale - instrument.quantity_scale);
        Entry {
            unit: i128::from(instrument.multiplier) * 10_i128.pow(exponent),
            position: 0,
            working: [0; 2],
            working_notional: [0; 2],
            cash: Money::ZERO,
            mark_twice: 0,
        }
    }

    /// Whether it can gain or lose value, or will when a working order fills.
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        self.position != 0 || self.working[0] != 0 || self.working[1] != 0
    }

    /// Value of a product of price and quantity; `None` beyond the range of money.
    #[inline]
    pub(super) fn value(&self, price: i128, quantity: i128) -> Option<i128> {
        // Nearly always everything fits 64 bits, where a product costs one instruction.
        if let (Ok(price), Ok(quantity)) = (i64::try_from(price), i64::try_from(quantity)) {
            let product = i128::from(price) * i128::from(quantity);
            if let (Ok(product), Ok(unit)) = (i64::try_from(product), i64::try_from(self.unit)) {
                return Some(i128::from(product) * i128::from(unit));
            }
            return product.checked_mul(self.unit);
        }
        price.checked_mul(quantity)?.checked_mul(self.unit)
    }

    /// Notional of an order for a reservation: zero or more, capped.
    #[inline]
    pub(super) fn order_notional(&self, price: i64, quantity: i64) -> i128 {
        match self.value(i128::from(price), i128::from(quantity)) {
            Some(value) => value.clamp(0, ORDER_NOTIONAL_CAP),
            None => ORDER_NOTIONAL_CAP,
        }
    }

    /// Position at the mark, rounded down (against us); `None` beyond the range of money, or when
    /// there is a position and no mark was ever known.
    #[inline]
    pub(super) fn position_value(&self) -> Option<i128> {
        if self.position == 0 {
            return Some(0);
        }
        if self.mark_twice == 0 {
            return None;
        }
        Some(self.value(self.mark_twice, self.position)?.div_euclid(2))
    }

    /// How far the position reaches into `side` if every working order of that side fills and
    /// `change` is added to them; zero or less when all of it only closes the other side.
    #[inline]
    pub(super) fn reach(&self, side: Side, change: i128) -> i128 {
        let toward = self.position.saturating_mul(i128::from(side.sign()));
        toward.saturating_add(self.working[side.index()]).saturating_add(change)
    }

    /// Worth of [`Entry::reach`]: everything at the mark, or the position at the mark and the orders
    /// at their own prices, whichever is more. Rounded up.
    #[inline]
    pub(super) fn reach_value(&self, side: Side, quantity: i128, notional: i128) -> Money {
        let reach = self.reach(side, quantity);
        if reach <= 0 {
            return Money::ZERO;
        }
        if self.mark_twice == 0 {
            return Money::MAX;
        }
        let half_up = |value: Option<i128>| value.map(|v| v.div_euclid(2) + v.rem_euclid(2));
        let toward = self.position.saturating_mul(i128::from(side.sign()));
        let at_mark = half_up(self.value(self.mark_twice, reach));
        let at_prices = half_up(self.value(self.mark_twice, toward)).and_then(|held| {
            held.checked_add(self.working_notional[side.index()])?.checked_add(notional)
        });
        match (at_mark, at_prices) {
            (Some(at_mark), Some(at_prices)) => Money(at_mark.max(at_prices)),
            (None, _) | (_, None) => Money::MAX,
        }
    }

    /// What the instrument adds to the gross notional: the worse of its sides.
    #[inline]
    pub(super) fn gross(&self) -> Money {
        self.reach_value(Side::Buy, 0, 0).max(self.reach_value(Side::Sell, 0, 0))
    }

    /// Replaces one reservation of `side` by another.
    #[inline]
    pub(super) fn reserve(&mut self, side: Side, before: Reservation, after: Reservation) {
        let index = side.index();
        self.working[index] += i128::from(after.quantity) - i128::from(before.quantity);
        self.working_notional[index] += after.notional - before.notional;
        debug_assert!(0 <= self.working[index]);
        debug_assert!(0 <= self.working_notional[index]);
    }

    /// Takes over what the market says; the last known mark stays when it says nothing.
    #[inline]
    pub(super) fn see(&mut self, market: Option<&InstrumentMarket>) {
        if let Some(mark_twice) = market.and_then(mark_twice) {
            self.mark_twice = mark_twice;
        }
    }

    /// A price that stands in for a mark as long as the market never said anything.
    pub(super) fn see_price(&mut self, price: i64) {
        if self.mark_twice == 0 && 0 < price {
            self.mark_twice = 2 * i128::from(price);
        }
    }
}

/// Twice the mid, or twice the last trade; computed wide, because a broken feed must not wrap it.
#[inline]
fn mark_twice(market: &InstrumentMarket) -> Option<i128> {
    mid_twice(market)
        .or_else(|| Some(2 * i128::from(market.trade_price)))
        .filter(|mark_twice| 0 < *mark_twice)
}

/// Twice the mid of a sound top of book; `None` unless it is above zero.
#[inline]
pub(super) fn mid_twice(market: &InstrumentMarket) -> Option<i128> {
    let top = &market.top;
    let mid_twice = i128::from(top.bid_price) + i128::from(top.ask_price);
    Some(mid_twice).filter(|mid_twice| top.is_sound() && 0 < *mid_twice)
}
