//! Bands: prices, trades, spreads and windows that are within every limit at any mark near the anchor.
//!
//! Limits are parts of references, and references move. What holds at the lowest and at the highest mark near the
//! anchor holds at every mark between them, so a few numbers that are worked out once stand for products that would
//! be worked out for every order. What is outside a band may still be within the limits: the rules say.

use super::super::limit_key::{LimitKey, LimitTable, UNLIMITED};
use super::super::limits::InstrumentLimits;

/// Marks up to this have products with 1e4 within 64 bits, also doubled.
pub(in super::super) const PRICE_MAX: i64 = i64::MAX / 40_000;
/// 1e-4 in one.
const ALL_BPS: i64 = 10_000;

/// From the first to the second, both included.
pub(in super::super) type Range = [i64; 2];

/// Nothing is within it.
pub(super) const NOTHING: Range = [1, 0];
const EVERYTHING: Range = [i64::MIN, i64::MAX];

/// What is far from every limit, by side of the order where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Band {
    /// Prices of an order.
    pub(in super::super) prices: [Range; 2],
    /// Prices of the last trade.
    pub(in super::super) trades: [Range; 2],
    /// Widest spread.
    pub(in super::super) spread_max: i64,
    /// Twice the mids of the reference window.
    pub(in super::super) span: Range,
}

/// Whether it is within the range.
#[inline(always)]
pub(in super::super) fn holds(range: Range, value: i64) -> bool {
    range[0] <= value && value <= range[1]
}

/// That many 1e-4 of a price, rounded down.
fn part(price: i64, bps: i64) -> i64 {
    price * bps / ALL_BPS
}

/// Half of twice a price, rounded up.
fn half_up(twice: i64) -> i64 {
    twice.div_euclid(2) + twice.rem_euclid(2)
}

impl Band {
    /// No order passes.
    pub(in super::super) const NONE: Band =
        Band { prices: [NOTHING; 2], trades: [NOTHING; 2], spread_max: -1, span: NOTHING };

    /// For marks from `lowest` to `highest`, both twice a price.
    pub(in super::super) fn new(
        [lowest, highest]: Range,
        limits: &InstrumentLimits,
        controls: &LimitTable,
    ) -> Band {
        if lowest < 1 || PRICE_MAX < highest {
            return Band::NONE;
        }
        let bps = |key| controls.get(key).min(ALL_BPS);
        let trade_bps = controls.get(LimitKey::CollarTrade);
        // Half of it is left for the trade to be away.
        let beyond = limits.collar_bps.min(bps(LimitKey::CollarWindow)).min(trade_bps / 2);
        let passive = limits.passive_bps.min(ALL_BPS);
        // What a buy may cost is least at the lowest mark, what it must cost is most at the highest.
        let buy = [highest - part(highest, passive), lowest + part(lowest, beyond)];
        let sell = [highest - part(highest, beyond), lowest + part(lowest, passive)];
        let trades = match trade_bps {
            UNLIMITED => [EVERYTHING; 2],
            trade_bps => [trades_for_buys(buy[1], trade_bps), trades_for_sells(sell[0], trade_bps)],
        };
        let spread_max = match controls.get(LimitKey::Spread) {
            UNLIMITED => i64::MAX,
            bps => part(lowest, bps.min(ALL_BPS)) / 2,
        };
        let jump = bps(LimitKey::Jump);
        Band {
            prices: [buy, sell].map(|[from, to]| [half_up(from).max(1), to.div_euclid(2)]),
            trades,
            spread_max,
            span: [highest - part(highest, jump), lowest + part(lowest, jump)],
        }
    }
}

/// Last trades that a buy of any price up to half of `highest` is near enough to.
fn trades_for_buys(highest: i64, trade_bps: i64) -> Range {
    let least = highest * ALL_BPS / ALL_BPS.saturating_add(trade_bps) + 1;
    [half_up(least), i64::MAX]
}

/// Last trades that a sell of any price from half of `lowest` on is near enough to.
fn trades_for_sells(lowest: i64, trade_bps: i64) -> Range {
    let divisor = ALL_BPS.saturating_sub(trade_bps);
    if divisor <= 0 {
        return EVERYTHING;
    }
    [i64::MIN, (lowest * ALL_BPS / divisor).div_euclid(2)]
}
