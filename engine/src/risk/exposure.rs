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
pub(super) const ORDER_NOTIONAL_CAP: i128 = i128::MAX >> 32;

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

/// A product of two 64-bit numbers, which cannot leave 128 bits.
#[inline(always)]
pub(super) fn wide(one: i64, other: i64) -> i128 {
    i128::from(one).wrapping_mul(i128::from(other))
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
    pub(super) mark_twice: i64,
    /// Twice the lowest mark that is near the last [`Entry::anchor`], and how far above it marks still are.
    near_twice: (i64, u64),
    /// As of the last time that somebody asked.
    pub(super) worth: Worth,
    /// Whether the numbers changed since.
    pub(super) is_changed: bool,
    /// Whether it can gain or lose value, or will when a working order fills.
    is_active: bool,
    /// The position, where it has 64 bits and no price of 64 bits makes its worth unknown; or nothing.
    narrow_position: Option<i64>,
}

/// Rounds half of `twice` up.
#[inline(always)]
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
            near_twice: NOWHERE,
            worth: Worth::NOTHING,
            is_changed: false,
            is_active: false,
            narrow_position: Some(0),
        }
    }

    /// Whether it can gain or lose value, or will when a working order fills.
    #[inline(always)]
    pub(super) fn is_active(&self) -> bool {
        self.is_active
    }

    #[inline]
    fn numbers_changed(&mut self) {
        self.is_changed = true;
        self.is_active = self.position | self.working[0] | self.working[1] != 0;
    }

    /// Another position.
    pub(super) fn set_position(&mut self, position: i128) {
        self.position = position;
        let is_narrow = i128::from(self.unit) <= WORTH_CAP >> 63;
        self.narrow_position = i64::try_from(position).ok().filter(|_| is_narrow);
        self.numbers_changed();
    }

    /// Without any working order.
    pub(super) fn clear_working(&mut self) {
        (self.working, self.working_notional) = ([0; 2], [0; 2]);
        self.numbers_changed();
    }

    /// Value of a product of price and quantity; `None` beyond the range of money.
    #[inline(always)]
    pub(super) fn value(&self, price: i64, quantity: i128) -> Option<i128> {
        // Nearly always everything fits 64 bits, where a product costs one instruction.
        if let Ok(narrow) = i64::try_from(quantity)
            && let Some(value) = self.product(price, narrow)
        {
            return Some(value);
        }
        self.value_wide(price, quantity)
    }

    #[cold]
    fn value_wide(&self, price: i64, quantity: i128) -> Option<i128> {
        i128::from(price).checked_mul(quantity)?.checked_mul(i128::from(self.unit))
    }

    /// The same of a quantity of 64 bits; `None` when the product leaves them.
    #[inline(always)]
    pub(super) fn product(&self, price: i64, quantity: i64) -> Option<i128> {
        price.checked_mul(quantity).map(|product| wide(product, self.unit))
    }

    /// Notional of an order for a reservation: zero or more, capped.
    #[inline]
    pub(super) fn order_notional(&self, price: i64, quantity: i64) -> i128 {
        match self.value(price, i128::from(quantity)) {
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
            Side::Sell => -self.position,
        };
        // Each of them a sum of 64-bit numbers, of which no engine sees enough to leave 128 bits.
        toward + self.working[side.index()] + change
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
        // Both are zero or more.
        self.working[index] += i128::from(after.quantity - before.quantity);
        self.working_notional[index] += after.notional - before.notional;
        self.numbers_changed();
        debug_assert!(0 <= self.working[index]);
        debug_assert!(0 <= self.working_notional[index]);
    }

    /// A mark that is known; 0 says nothing.
    #[inline]
    pub(super) fn see(&mut self, mark_twice: i64) {
        if mark_twice != 0 && self.mark_twice != mark_twice {
            self.mark_twice = mark_twice;
            self.is_changed = true;
        }
    }

    /// A price that stands in for a mark as long as the market never said anything.
    #[inline]
    pub(super) fn see_price(&mut self, price: i64) {
        if self.mark_twice == 0 && 0 < price {
            self.mark_twice = price.saturating_mul(2);
            self.is_changed = true;
        }
    }
}

/// No mark is near; zero is none.
const NOWHERE: (i64, u64) = (1, 0);

/// A mark is near another when it is off by no more than this part (a shift) of it.
const NEAR_SHIFT: u32 = 10;

/// Two marks near the same anchor are off each other by no more than this part.
pub(super) const DRIFT_SHIFT: u32 = NEAR_SHIFT - 2;

/// More than all rounding of a sum over all instruments, of which there are 1,024 at most.
const ROUNDING_MAX: i128 = 4_096;

/// How much a sum of the worths of instruments is off at most when every mark is near its anchor, as it was when
/// the sum was made; `gross` is that sum.
///
/// A side is worth the larger of its reach at the mark and of its position at the mark with its orders at their
/// own prices. The first moves by the part of itself that the mark moves by. The second moves by that part of
/// the position's value, which is no more than the worth of the side that the position is on. So no instrument
/// moves by more than that part of its own worth. The same holds for the values of the positions.
#[inline]
pub(super) fn drift(gross: i128) -> i128 {
    (gross >> DRIFT_SHIFT) + ROUNDING_MAX
}

impl Entry {
    /// Remembers the mark as the one that later ones must be near.
    pub(super) fn anchor(&mut self) {
        let width = self.mark_twice >> NEAR_SHIFT;
        self.near_twice = (self.mark_twice - width, width.unsigned_abs() * 2);
    }

    /// Twice the lowest and the highest mark near the anchor.
    pub(super) fn marks_near(&self) -> [i64; 2] {
        let (lowest, width) = self.near_twice;
        [lowest, lowest.saturating_add_unsigned(width)]
    }

    /// Whether the mark is near its anchor; never without one.
    #[inline(always)]
    pub(super) fn is_near_anchor(&self) -> bool {
        let (lowest, width) = self.near_twice;
        self.mark_twice.wrapping_sub(lowest).cast_unsigned() <= width
    }

    /// Takes over a mark. Value of the position at it as [`Worth::value`] tells it; `None` when the mark is not near
    /// its anchor, or the long way must be gone.
    #[inline(always)]
    pub(super) fn value_near(&mut self, mark_twice: i64) -> Option<i128> {
        self.see(mark_twice);
        let position = self.narrow_position?;
        if !self.is_near_anchor() {
            return None;
        }
        self.product(self.mark_twice, position).map(|twice| twice >> 1)
    }

    /// Adds what is held back for a new order.
    #[inline(always)]
    pub(super) fn reserve_new(&mut self, side: Side, quantity: i64, notional: i128) {
        self.working[side.index()] += i128::from(quantity);
        self.working_notional[side.index()] += notional;
        (self.is_changed, self.is_active) = (true, true);
    }

    /// Units of money per price unit and quantity unit.
    pub(super) fn unit(&self) -> i64 {
        self.unit
    }
}

/// Twice the mid, or twice the last trade, or 0 when neither is known.
#[inline(always)]
pub(super) fn mark_twice(market: Option<&InstrumentMarket>) -> i64 {
    let Some(market) = market else { return 0 };
    match mid_twice(market) {
        Some(mid_twice) => mid_twice,
        None => trade_twice(market),
    }
}

#[cold]
fn trade_twice(market: &InstrumentMarket) -> i64 {
    market.trade_price.saturating_mul(2).max(0)
}

/// Twice the mid of a sound top of book; `None` unless it is above zero. What has no 64 bits is told as the most
/// that has: a broken feed must not wrap it, and nothing is bought at such a price.
#[inline(always)]
pub(super) fn mid_twice(market: &InstrumentMarket) -> Option<i64> {
    let top = &market.top;
    let mid_twice = top.bid_price.saturating_add(top.ask_price);
    if top.is_sound() && 0 < mid_twice { Some(mid_twice) } else { None }
}
