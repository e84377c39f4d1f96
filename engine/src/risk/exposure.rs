//! What an instrument can cost: position, working orders, cash and the last known mark.
//!
//! A buy order can make a position longer, a sell order shorter; the two do not net as long as they
//! work. So every side has its own worst case, and an instrument is worth its worse side.
//!
//! What follows from these numbers is kept beside them ([`Worth`]) and worked out anew only when one of
//! them has changed.

use crate::event::Side;
use crate::instrument::Instrument;
use crate::market::InstrumentMarket;
use crate::money::{MONEY_SCALE, Money};

/// Most that the notional of one order counts for. Far above every ceiling, and so far below the end
/// of `i128` that the sum over all order slots cannot reach it: what is reserved can be released exactly.
const ORDER_NOTIONAL_CAP: i128 = i128::MAX >> 32;

/// Largest worth that counts as known. A sum over all instruments cannot leave 128 bits, so that an entry
/// can be taken out of it again exactly; far above every limit.
const WORTH_CAP: i128 = i128::MAX >> 12;

/// Most order slots of a gate; with [`ORDER_NOTIONAL_CAP`] it bounds every sum of reservations.
pub(super) const ORDERS_MAX: usize = 1 << 24;

/// Quantity and notional held back for an order. Both are zero or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) quantity: i64,
    /// In units of 10^-12, at most [`ORDER_NOTIONAL_CAP`].
    pub(super) notional: i128,
}

/// What follows from an entry's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Worth {
    /// Twice the position at the mark; [`UNKNOWN`] when nobody can tell.
    twice: i128,
    /// Worth of each side if every working order of it fills; [`Money::MAX`] when nobody can tell.
    pub(super) sides: [Money; 2],
}

/// Twice a position that nobody can value.
const UNKNOWN: i128 = i128::MIN;

impl Worth {
    /// Of an entry without position and orders.
    pub(super) const NOTHING: Worth = Worth { twice: 0, sides: [Money::ZERO; 2] };

    /// Position at the mark, rounded down (against us); `None` when nobody can tell.
    #[inline]
    pub(super) fn value(&self) -> Option<i128> {
        if self.twice == UNKNOWN { None } else { Some(self.twice >> 1) }
    }

    /// What the instrument adds to the gross notional: the worse of its sides.
    #[inline]
    pub(super) fn gross(&self) -> Money {
        self.sides[0].max(self.sides[1])
    }
}

/// The numbers of one instrument, of the account or of one strategy.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Units of money per price unit and quantity unit.
    unit: i64,
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
    /// As of the last time that somebody asked.
    pub(super) worth: Worth,
    /// Whether the numbers changed since.
    pub(super) is_changed: bool,
}

/// Rounds half of `twice` up.
#[inline]
fn half_up(twice: i128) -> i128 {
    (twice >> 1) + (twice & 1)
}

impl Entry {
    pub(super) fn new(instrument: &Instrument) -> Entry {
        let exponent = u32::from(MONEY_SCALE - instrument.price_scale - instrument.quantity_scale);
        Entry {
            // At most 10^6 x 10^12.
            unit: instrument.multiplier * 10_i64.pow(exponent),
            position: 0,
            working: [0; 2],
            working_notional: [0; 2],
            cash: Money::ZERO,
            mark_twice: 0,
            worth: Worth::NOTHING,
            is_changed: false,
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
            if let Ok(product) = i64::try_from(product) {
                return Some(i128::from(product) * i128::from(self.unit));
            }
            return product.checked_mul(i128::from(self.unit));
        }
        price.checked_mul(quantity)?.checked_mul(i128::from(self.unit))
    }

    /// Notional of an order for a reservation: zero or more, capped.
    #[inline]
    pub(super) fn order_notional(&self, price: i64, quantity: i64) -> i128 {
        match self.value(i128::from(price), i128::from(quantity)) {
            Some(value) => value.clamp(0, ORDER_NOTIONAL_CAP),
            None => ORDER_NOTIONAL_CAP,
        }
    }

    /// How far the position reaches into `side` if every working order of that side fills and
    /// `change` is added to them; zero or less when all of it only closes the other side.
    #[inline]
    pub(super) fn reach(&self, side: Side, change: i128) -> i128 {
        let toward = match side {
            Side::Buy => self.position,
            Side::Sell => self.position.saturating_neg(),
        };
        toward.saturating_add(self.working[side.index()]).saturating_add(change)
    }

    /// Worth of [`Entry::reach`]: everything at the mark, or the position at the mark and the orders
    /// at their own prices, whichever is more. Rounded up. `twice` as in [`Worth`].
    #[inline(always)]
    fn worth_of(&self, side: Side, twice: i128, quantity: i128, notional: i128) -> Money {
        let reach = self.reach(side, quantity);
        if reach <= 0 {
            return Money::ZERO;
        }
        if self.mark_twice == 0 || twice == UNKNOWN {
            return Money::MAX;
        }
        let Some(at_mark) = self.value(self.mark_twice, reach) else { return Money::MAX };
        let toward = match side {
            Side::Buy => twice,
            Side::Sell => -twice,
        };
        // A position that can be told and a sum of reservations, both far from the end of 128 bits.
        let at_prices = half_up(toward) + self.working_notional[side.index()] + notional;
        let worth = half_up(at_mark).max(at_prices);
        if worth <= WORTH_CAP { Money(worth) } else { Money::MAX }
    }

    /// Worth of a side with an order of that quantity and notional more; [`Entry::worth`] must be fresh.
    #[inline]
    pub(super) fn side_with(&self, side: Side, quantity: i128, notional: i128) -> Money {
        self.worth_of(side, self.worth.twice, quantity, notional)
    }

    /// What follows from the numbers as they are.
    #[inline(always)]
    pub(super) fn worth_now(&self) -> Worth {
        if !self.is_active() {
            return Worth::NOTHING;
        }
        let twice = if self.position == 0 {
            0
        } else if self.mark_twice == 0 {
            // A position of which no mark was ever known.
            UNKNOWN
        } else {
            match self.value(self.mark_twice, self.position) {
                Some(twice) if twice.unsigned_abs() <= WORTH_CAP.unsigned_abs() => twice,
                Some(_) | None => UNKNOWN,
            }
        };
        let sides = [self.worth_of(Side::Buy, twice, 0, 0), self.worth_of(Side::Sell, twice, 0, 0)];
        Worth { twice, sides }
    }

    /// Replaces one reservation of `side` by another.
    #[inline]
    pub(super) fn reserve(&mut self, side: Side, before: Reservation, after: Reservation) {
        let index = side.index();
        self.working[index] += i128::from(after.quantity) - i128::from(before.quantity);
        self.working_notional[index] += after.notional - before.notional;
        self.is_changed = true;
        debug_assert!(0 <= self.working[index]);
        debug_assert!(0 <= self.working_notional[index]);
    }

    /// A mark that is known; 0 says nothing.
    #[inline]
    pub(super) fn see(&mut self, mark_twice: i128) {
        if mark_twice != 0 && self.mark_twice != mark_twice {
            self.mark_twice = mark_twice;
            self.is_changed = true;
        }
    }

    /// A price that stands in for a mark as long as the market never said anything.
    #[inline]
    pub(super) fn see_price(&mut self, price: i64) {
        if self.mark_twice == 0 && 0 < price {
            self.mark_twice = 2 * i128::from(price);
            self.is_changed = true;
        }
    }
}

/// Twice the mid, or twice the last trade, or 0 when neither is known; computed wide, because a broken
/// feed must not wrap it.
#[inline]
pub(super) fn mark_twice(market: Option<&InstrumentMarket>) -> i128 {
    let Some(market) = market else { return 0 };
    match mid_twice(market) {
        Some(mid_twice) => mid_twice,
        None => (2 * i128::from(market.trade_price)).max(0),
    }
}

/// Twice the mid of a sound top of book; `None` unless it is above zero.
#[inline]
pub(super) fn mid_twice(market: &InstrumentMarket) -> Option<i128> {
    let top = &market.top;
    let mid_twice = i128::from(top.bid_price) + i128::from(top.ask_price);
    Some(mid_twice).filter(|mid_twice| top.is_sound() && 0 < *mid_twice)
}
